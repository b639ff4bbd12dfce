// Runs the checks in a real browser: node run.mjs PROGRAM [CHECK...]. See .ci/browser.
import { Browser } from "./browser.mjs";
import * as demo from "./demo.mjs";
import * as operator from "./operator.mjs";

const [program, ...wanted] = process.argv.slice(2);
const checks = Object.entries({ demo: demo.check, operator: operator.check }).filter(([name]) => !wanted.length || wanted.includes(name));
if (!program || !checks.length) {
  console.error("usage: node run.mjs PROGRAM [demo] [operator]");
  process.exit(2);
}

for (const [name, check] of checks) {
  const browser = await Browser.start();
  try {
    const seen = await check(browser, program);
    console.log(`browser: ${name}: ${seen}`);
  } catch (error) {
    console.error(`browser: ${name}: ${error.stack ?? error}`);
    await browser.keepLook(name);
    process.exitCode = 1;
  } finally {
    await browser.stop();
  }
}

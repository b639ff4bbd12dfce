// A running roster-host.
import { spawn } from "node:child_process";
import { once } from "node:events";

const TIMEOUT = 60_000;

export class Program {
  /** Starts it and waits until it has said `when`, on either output. */
  static async start(program, args, when) {
    const made = new Program();
    made.text = "";
    made.child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const output of [made.child.stdout, made.child.stderr]) output.on("data", (data) => (made.text += data));
    const end = Date.now() + TIMEOUT;
    while (!when.test(made.text)) {
      if (made.child.exitCode !== null || Date.now() > end) throw new Error(`it has not said ${when}, but:\n${made.text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return made;
  }

  /** What the first group of `pattern` is in what it has said. */
  said(pattern) {
    const found = pattern.exec(this.text);
    if (!found) throw new Error(`it has not said ${pattern}, but:\n${this.text}`);
    return found[1];
  }

  async stop() {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await once(this.child, "exit");
  }
}

/** The demo on ports that the system picks, with two users connected. */
export const startDemo = (program) =>
  Program.start(
    program,
    ["--http-listen", "--admin-listen", "--demo-listen", "--xmpp-listen", "--xmpp-tls-listen"].flatMap((flag) => [flag, "127.0.0.1:0"]),
    /marie has connected/,
  );

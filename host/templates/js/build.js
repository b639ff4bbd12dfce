// Puts src/ and a JavaScript engine into one component. Usage: node build.js OUTPUT

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { component } = await componentize({
  sourcePath: here('src/plugin.js'),
  witPath: here('wit'),
  worldName: 'roster-plugin',
  // The engine's own fetch() is left out: the host sends the requests.
  disableFeatures: ['http', 'fetch-event'],
});
writeFileSync(process.argv[2], component);

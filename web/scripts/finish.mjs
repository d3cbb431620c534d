// After a build: packs the files for the binary, and checks that the first load (page,
// login, instance list) stays small.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const DIST = 'dist/console';
const FIRST_LOAD_MAX = 400 * 1024;
const FIRST = ['index.html', 'src/features/login/index.tsx', 'src/features/instances/index.tsx'];
/** Smaller files gain nothing by it. */
const PACKED_MIN = 512;

const manifest = JSON.parse(readFileSync(join(DIST, 'manifest.json'), 'utf8'));
rmSync(join(DIST, 'manifest.json'));

const packed = new Map();
for (const name of readdirSync(DIST, { recursive: true })) {
  if (!/\.(html|js|css|svg)$/.test(name)) {
    continue;
  }
  const plain = readFileSync(join(DIST, name));
  const gzip = gzipSync(plain, { level: 9 });
  packed.set(name, gzip.length);
  if (plain.length >= PACKED_MIN) {
    writeFileSync(join(DIST, `${name}.gz`), gzip);
  }
}

/** Files that a chunk needs before it runs. */
function needed(key, seen = new Set()) {
  if (!seen.has(key)) {
    const { imports = [] } = manifest[key];
    seen.add(key);
    imports.forEach((other) => needed(other, seen));
  }
  return seen;
}

const files = new Set(['index.html']);
for (const key of FIRST.flatMap((first) => [...needed(first)])) {
  const { file, css = [] } = manifest[key];
  [file, ...css].forEach((name) => files.add(name));
}
const bytes = [...files].reduce((sum, name) => sum + packed.get(name), 0);
const kib = (size) => `${(size / 1024).toFixed(1)} KiB`;
console.log(`first load: ${kib(bytes)} of at most ${kib(FIRST_LOAD_MAX)} in gzip, ${files.size} files`);
if (bytes > FIRST_LOAD_MAX) {
  for (const name of files) {
    console.error(`  ${kib(packed.get(name)).padStart(10)}  ${name}`);
  }
  process.exit(1);
}

// Builds src/audioclust/report/page/static: the script and the style of the listening page, the licences of the libraries
// in it, and the digests of all that they were built from.
//
//     npm ci && npm run build        # in tools/page
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] || join(here, '../../src/audioclust/report/page/static');

const common = {
  bundle: true,
  minify: true,
  write: false,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  absWorkingDir: here,
};
// One classic script: modules do not load from files.
const script = await build({
  ...common,
  entryPoints: ['src/main.js'],
  format: 'iife',
  target: 'es2022',
  charset: 'ascii',
});
const style = await build({
  ...common,
  entryPoints: ['src/page.css'],
  target: ['chrome100', 'firefox100', 'safari16'],
});

mkdirSync(out, { recursive: true });
const write = (name, text) => writeFileSync(join(out, name), text);
// Nothing in a script element may end it.
write('bundle.js', script.outputFiles[0].text.replace(/<(?=\/script|!--)/gi, '\\x3c'));
write('page.css', style.outputFiles[0].text);
const texts = licences(Object.keys(script.metafile.inputs));
if (/<\/script|<!--/i.test(texts)) throw new Error('a licence would end the script element that it stands in');
write('LICENCES.txt', texts);
write('sources.json', `${JSON.stringify(digests(), null, 1)}\n`);

function licences(inputs) {
  const found = new Set();
  // A library may have its dependencies within its own file.
  const add = (folder) => {
    if (found.has(folder)) return;
    found.add(folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(here, folder, 'package.json'), 'utf8'));
    Object.keys(dependencies).forEach((name) => add(`node_modules/${name}`));
  };
  inputs.forEach((path) => path.startsWith('node_modules/') && add(path.match(/node_modules\/(?:@[^/]+\/)?[^/]+/)[0]));
  return [...found]
    .sort()
    .map(licence)
    .join(`\n${'-'.repeat(78)}\n\n`);
}

function licence(folder) {
  const about = JSON.parse(readFileSync(join(here, folder, 'package.json'), 'utf8'));
  const file = readdirSync(join(here, folder)).find((name) => /^licen[cs]e/i.test(name));
  if (!file) throw new Error(`${folder} has no licence file`);
  const text = readFileSync(join(here, folder, file), 'utf8')
    .replace(/\r/g, '')
    .trim();
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

// SHA-256 of each file that a build reads, and of each that it writes.
function digests() {
  const sha = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
  const files = readdirSync(join(here, 'src'), { recursive: true })
    .map((name) => join(here, 'src', name))
    .filter((name) => /\.(js|css)$/.test(name));
  const read = [...files, ...['build.mjs', 'package.json', 'package-lock.json'].map((name) => join(here, name))].sort();
  const entries = (paths, base) => Object.fromEntries(paths.map((path) => [relative(base, path), sha(path)]));
  return {
    read: entries(read, here),
    written: entries(
      ['bundle.js', 'page.css', 'LICENCES.txt'].map((name) => join(out, name)),
      out,
    ),
  };
}

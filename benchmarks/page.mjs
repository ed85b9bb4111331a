// Seconds until a page is drawn, with WebGL (in software) and without, seconds of a filter, and its heap in MB, as JSON.
//
//     node page.mjs CHROMIUM index.html
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(join(fileURLToPath(import.meta.url), '../../tools/page/package.json'));
const { chromium } = require('playwright-core');
const [, , executablePath, file] = process.argv;
const SOFTWARE = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'];

async function measured(args) {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--enable-precise-memory-info', ...args],
  });
  const page = await (await browser.newContext({ offline: true, viewport: { width: 1400, height: 900 } })).newPage();
  await page.goto(String(pathToFileURL(file)));
  await page.waitForFunction(() => window.listening);
  const found = await page.evaluate(async () => {
    const { ready, store, content, map } = window.listening;
    const begun = performance.now();
    store.only(content.clusterOf, [0]);
    await map.draw();
    return {
      drawn: ready / 1000,
      filter: (performance.now() - begun) / 1000,
      heap: performance.memory.usedJSHeapSize / 1e6,
    };
  });
  await browser.close();
  return found;
}

console.log(JSON.stringify([await measured(SOFTWARE), await measured(['--disable-gpu', '--disable-3d-apis'])]));

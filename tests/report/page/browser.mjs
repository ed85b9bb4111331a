// Opens pages in Debian's Chromium without a network, does what a reader does, and prints what it saw as JSON.
//
//     node browser.mjs CHROMIUM FOLDER      # FOLDER holds page.html, hostile.html, silent.html
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(join(fileURLToPath(import.meta.url), '../../../../tools/page/package.json'));
const { chromium } = require('playwright-core');
const [, , executablePath, folder] = process.argv;
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});

async function open(file, options = {}) {
  const { plain, ...rest } = options;
  const context = await browser.newContext({ offline: true, viewport: { width: 1400, height: 900 }, ...rest });
  const page = await context.newPage();
  const log = { requests: [], errors: [] };
  page.on('request', (request) => log.requests.push(request.url()));
  page.on('console', (message) => {
    const driver = /GL Driver Message/.test(message.text()); // how fast a screenshot is, says the software's GPU
    if (['error', 'warning'].includes(message.type()) && !driver) log.errors.push(message.text());
  });
  page.on('pageerror', (error) => log.errors.push(String(error.stack)));
  page.on('dialog', (dialog) => log.errors.push(`dialog ${dialog.message()}`) && dialog.dismiss());
  if (plain) {
    await page.addInitScript(() => {
      const get = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return /webgl/.test(kind) ? null : get.call(this, kind, ...more);
      };
    });
  }
  await page.goto(String(pathToFileURL(join(folder, file))));
  await ready(page);
  return { page, log, close: () => context.close() };
}

// The page is drawn, and what is heard is written down.
async function ready(page) {
  await page.waitForFunction(() => window.listening);
  await page.evaluate(() => {
    window.heard = [];
    window.shades = (canvas) => {
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      return new Set(copy.getImageData(0, 0, canvas.width, canvas.height).data).size;
    };
    window.said = {};
    window.listening.store.on('heard', (row) => {
      window.heard.push(row);
      window.said[row] = document.querySelector('.status').textContent;
    });
  });
  await frames(page);
}

// Two frames later all that was asked for is drawn.
const frames = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

const state = (page) =>
  page.evaluate(() => {
    const { store, player } = window.listening;
    const shown = [...store.visible.keys()].filter((row) => store.visible[row]);
    return { clip: store.clip, shown, playing: Boolean(player.surfer?.isPlaying()), colouring: store.colouring.key };
  });

// Waits until a clip is heard, since the last time that one was waited for.
async function hears(page, row) {
  await page.waitForFunction((own) => window.heard.includes(own), row);
  await page.evaluate((own) => window.heard.splice(0, window.heard.indexOf(own) + 1), row);
}

const at = (page, row) =>
  page.evaluate((own) => {
    const box = document.querySelector('#map').getBoundingClientRect();
    const [x, y] = window.listening.map.screen(own);
    return [x + box.left, y + box.top];
  }, row);

async function draws({ page }) {
  const places = await page.evaluate(() => {
    const { content, map } = window.listening;
    return Array.from({ length: content.n }, (_, row) => map.screen(row).map(Math.round));
  });
  const picture = (await page.locator('#map').screenshot()).toString('base64');
  return {
    kind: await page.evaluate(() => document.body.dataset.map),
    places,
    picture,
    palette: await page.evaluate(() => window.listening.map.theme.palette),
  };
}

async function plays({ page }) {
  await page.mouse.click(...(await at(page, 25)));
  await hears(page, 25);
  const found = await page.evaluate(() => {
    const { surfer } = window.listening.player;
    const { sampleRate, length } = surfer.getDecodedData();
    return { duration: surfer.getDuration(), sampleRate, length };
  });
  await page.waitForFunction(() => {
    const drawn = [...document.querySelector('.picture > div').shadowRoot.querySelectorAll('canvas')];
    return drawn.some((canvas) => window.shades(canvas) > 60); // a waveform has few
  });
  const title = await page.locator('.clip-title').innerText();
  await page.waitForFunction(() => !window.listening.player.surfer.isPlaying()); // to its end
  const ended = await page.evaluate(() => window.listening.player.surfer.getCurrentTime());
  await page.mouse.move(...(await at(page, 3)));
  await frames(page);
  return {
    ...found,
    title,
    ended,
    facts: await page.locator('.facts').first().innerText(),
    tip: await page.locator('.tip').innerText(),
  };
}

async function clusters({ page }) {
  await page.waitForFunction(() =>
    [...document.querySelectorAll('#cluster-0 .thumb canvas')].every((canvas) => window.shades(canvas) > 20),
  );
  const cards = await page.locator('.card').allInnerTexts();
  await page.locator('#cluster-1').getByText('Listen through').click();
  await hears(page, 25);
  const said = await page.evaluate(() => [window.said[24], window.said[25]]);
  await page.locator('#cluster-0 .thumb').nth(1).click();
  await hears(page, 1);
  return { cards, said, current: await page.locator('.card.current').getAttribute('id') };
}

async function filters({ page }) {
  const found = {};
  await page.getByLabel('Label', { exact: true }).selectOption({ label: 'bark (11)' });
  found.label = (await state(page)).shown;
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.locator('.legend .badge', { hasText: /^4$/ }).click();
  found.legend = (await state(page)).shown;
  found.chips = await page.locator('.chips').innerText();
  await page.keyboard.press('Escape');
  found.cleared = (await state(page)).shown.length;
  await page.getByLabel('Search by file name').fill('SITE 1 0501_11');
  found.search = (await state(page)).shown;
  await page.keyboard.press('Enter');
  found.rows = await page
    .locator('#panel-clips tbody tr')
    .evaluateAll((rows) => rows.map((row) => Number(row.dataset.row)));
  await page.keyboard.press('Escape');
  await page.getByLabel('Colours').selectOption({ label: 'Folder' });
  found.colouring = (await state(page)).colouring;
  found.folders = await page.locator('.legend .entry').allInnerTexts();
  await page.getByLabel('Colours').selectOption('labelling:0');
  await page.locator('#tab-clusters').click();
  return found;
}

async function example({ page }) {
  await page.mouse.click(...(await at(page, 10)));
  await hears(page, 10);
  const near = await page
    .locator('.near .thumb')
    .evaluateAll((thumbs) => thumbs.map((each) => Number(each.dataset.row)));
  await page.keyboard.press('x');
  const rows = await page
    .locator('#panel-clips tbody tr')
    .evaluateAll((lines) => lines.map((line) => Number(line.dataset.row)));
  const { shown } = await state(page);
  await page.keyboard.press('ArrowRight');
  await hears(page, rows[1]);
  await page.keyboard.press('Escape');
  return { near, rows, shown };
}

async function keyboard({ page }) {
  await page.locator('#tab-clusters').click();
  await page.locator('body').click({ position: { x: 3, y: 3 } });
  const steps = [];
  const press = async (key, row) => {
    await page.keyboard.press(key);
    if (row !== undefined) await hears(page, row);
    steps.push([key, (await state(page)).clip]);
  };
  await press('4', 38);
  await press('ArrowRight', 39);
  await press('ArrowLeft', 38);
  await press('[', 24);
  await press(']', 38);
  await press(']', 46); // noise has no exemplar: its first clip
  await press(']', 0);
  await page.waitForFunction(() => !window.listening.player.surfer.isPlaying());
  await page.keyboard.press('Space');
  await hears(page, 0);
  await page.keyboard.press('Space');
  const paused = (await state(page)).playing;
  await page.keyboard.press('/');
  const focus = await page.evaluate(() => document.activeElement.id);
  await page.keyboard.type('x4');
  const typed = await page.locator('#search').inputValue();
  await page.keyboard.press('Escape');
  await page.locator('#tab-clusters').focus();
  await page.keyboard.press('ArrowRight');
  return {
    steps,
    paused,
    focus,
    typed,
    cleared: await page.locator('#search').inputValue(),
    tab: await page.evaluate(() => document.activeElement.id),
    clip: (await state(page)).clip,
  };
}

async function compares({ page }) {
  await page.locator('#tab-compare').click();
  const said = await page.locator('#panel-compare').innerText();
  const cells = await page
    .locator('.contingency tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
  const heads = await page.locator('.contingency thead th').allInnerTexts();
  await page.locator('.contingency button', { hasText: /^6$/ }).click();
  const { shown } = await state(page);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'columns' }).click();
  const { colouring } = await state(page);
  await page.getByLabel('Colours').selectOption('labelling:0');
  return { said, cells, heads, shown, colouring };
}

async function timelines({ page }) {
  await page.locator('#tab-recordings').click();
  const head = await page.locator('#panel-recordings > p').innerText();
  const canvas = page.locator('.timeline canvas').nth(2);
  const box = await canvas.boundingBox();
  await canvas.click({ position: { x: box.width * 0.6, y: 8 } });
  await hears(page, 10);
  return { head, lines: await page.locator('.timeline canvas').count() };
}

async function tree({ page }) {
  await page.locator('#tab-howmany').click();
  const drawn = () =>
    page.locator('.curve .measure').evaluateAll((lines) => lines.map((line) => line.children.length - 1));
  const marks = await drawn();
  await page.getByRole('button', { name: 'found again in parts' }).click();
  const fewer = await drawn();
  const slide = (value) =>
    page.locator('#cut').evaluate((slider, to) => {
      slider.value = to;
      slider.dispatchEvent(new Event('input'));
    }, value);
  await slide(2);
  const groups = await page.locator('.legend .badge').allInnerTexts();
  const chosen = await page.getByLabel('Colours').evaluate((each) => each.selectedOptions[0].text);
  await page.getByText('Take these merges').click();
  const merged = await page.locator('textarea').inputValue();
  await page.getByText('Forget these edits').click();
  await page.getByLabel('Colours').selectOption('labelling:0');
  return {
    marks,
    fewer,
    advice: await page.locator('#panel-howmany p').first().innerText(),
    groups,
    chosen,
    merged,
    slider: await page.locator('#cut').inputValue(),
  };
}

async function edits({ page }) {
  await page.locator('#tab-clusters').click();
  await page.locator('#cluster-4').getByText('Edit').click();
  const focus = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  const title = 'rain: "hard" # \u202ex\\';
  await page.getByLabel('Name of cluster 4').fill(title);
  await page.getByLabel('Merge cluster 1 into').selectOption('4');
  await page.getByLabel('Split cluster 0 in').fill('3');
  const text = await page.locator('textarea').inputValue();
  const splits = await page
    .locator('.edits input[type=number]')
    .evaluateAll((fields) => fields.map((each) => !each.disabled));
  await page.reload();
  await ready(page);
  const again = await page.locator('textarea').inputValue();
  const heading = await page.locator('#cluster-4 h2').textContent();
  await page.locator('#tab-names').click();
  await page.getByLabel('Drop cluster 4').check();
  const dropped = await page.locator('textarea').inputValue();
  await page.getByText('Forget these edits').click();
  return {
    focus,
    title,
    text,
    splits,
    again,
    heading,
    dropped,
    forgotten: await page.locator('textarea').inputValue(),
  };
}

// Clusters that were edited before.
async function again({ page }) {
  await page.locator('#tab-names').click();
  const before = await page.locator('textarea').inputValue();
  const splits = await page
    .locator('.edits input[type=number]')
    .evaluateAll((fields) => fields.map((each) => !each.disabled));
  await page.getByLabel('Merge cluster 4 into').selectOption('1');
  await page.getByLabel('Name of cluster 0').fill('');
  await page.getByLabel('Split cluster 0 in').fill('3');
  return { before, splits, after: await page.locator('textarea').inputValue() };
}

const unnamed = ({ page }) =>
  page.evaluate(() => {
    const named = (each) =>
      each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.[0]?.textContent.trim();
    document.querySelectorAll('[role=tab]').forEach((tab) => tab.click());
    return [...document.querySelectorAll('button, select, input, textarea, svg[role=img]')]
      .filter((each) => !named(each))
      .map((each) => each.outerHTML.slice(0, 200));
  });

async function about({ page }) {
  await page.locator('#tab-about').click();
  return page.locator('#panel-about').innerText();
}

async function hostile({ page }) {
  await page.evaluate(() => document.querySelectorAll('[role=tab]').forEach((tab) => tab.click()));
  await page.evaluate(() => window.listening.store.emit('play', 0));
  await hears(page, 0);
  await page.evaluate(() => window.listening.store.words('x'));
  return page.evaluate(() => ({
    hacked: window.hacked ?? null,
    elements: document.querySelectorAll('img, iframe, object, body b').length,
    title: document.title,
    heading: document.querySelector('h1').textContent,
    file: document.querySelector('.clip-title bdi').textContent,
    label: document.querySelector('[role=tabpanel] dl').textContent,
  }));
}

async function phone({ page }) {
  await page.touchscreen.tap(...(await at(page, 0)));
  await hears(page, 0);
  await frames(page);
  const wide = {};
  for (const tab of await page.locator('[role=tab]').all()) {
    await tab.click();
    wide[await tab.innerText()] = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  }
  const box = await page.locator('#player').boundingBox();
  return { wide, bottom: box.y + box.height, top: box.y, height: page.viewportSize().height };
}

async function quiet({ page }) {
  await page.mouse.click(...(await at(page, 10)));
  await frames(page);
  return {
    said: await page.locator('.status').first().innerText(),
    play: await page.getByRole('button', { name: 'Play', exact: true }).isDisabled(),
  };
}

const PHONE = {
  plain: true,
  viewport: { width: 390, height: 844 },
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
};
const VISITS = [
  [
    'page',
    'page.html',
    {},
    { draws, plays, clusters, filters, example, keyboard, compares, timelines, tree, edits, unnamed, about },
  ],
  ['plain', 'page.html', { plain: true, colorScheme: 'dark' }, { draws, plays }],
  ['hostile', 'hostile.html', { plain: true }, { hostile }],
  ['phone', 'page.html', PHONE, { phone }],
  ['silent', 'silent.html', { plain: true }, { quiet, again }],
];

const found = {};
for (const [name, file, options, checks] of VISITS) {
  const visit = await open(file, options);
  visit.page.setDefaultTimeout(8000);
  found[name] = {};
  for (const [check, run] of Object.entries(checks)) {
    try {
      found[name][check] = await run(visit);
    } catch (error) {
      found[name][check] = { failed: String(error.stack) };
    }
  }
  Object.assign(found[name], visit.log);
  await visit.close();
}
await browser.close();
console.log(JSON.stringify(found));

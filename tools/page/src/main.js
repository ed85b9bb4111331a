// The listening page.
import { Content } from './content.js';
import { Edits } from './edits.js';
import { button, el } from './elements.js';
import { keyboard } from './keyboard.js';
import { ClipMap } from './map/map.js';
import { about } from './panels/about.js';
import { clips } from './panels/clips.js';
import { clusters } from './panels/clusters.js';
import { compare } from './panels/compare.js';
import { howmany } from './panels/howmany.js';
import { names } from './panels/names.js';
import { recordings } from './panels/recordings.js';
import { Player } from './player.js';
import { Store } from './store.js';
import { tabs } from './tabs.js';
import { count, percent, plural, visible } from './text.js';
import { Theme } from './theme.js';
import { chips, legend, toolbar } from './toolbar.js';

async function start() {
  const content = new Content(JSON.parse(document.getElementById('data').textContent));
  const theme = new Theme(content.colours);
  const store = new Store(content);
  const edits = new Edits(store);
  const at = (id) => document.getElementById(id);
  at('head').append(...head(content, store));
  at('tools').append(toolbar(store), chips(store));
  at('legend').append(legend(store));
  const map = new ClipMap(at('map'), store, theme);
  at('map').append(zoom(map), el('div', { class: 'map-name' }, visible(content.map_name)));
  const player = new Player(at('player'), store, theme);
  at('panels').append(...tabs(panels(store, edits, theme), store));
  keyboard(store, player);
  store.on('clip', (row) => mark(row));
  const kind = await map.start();
  if (kind === 'canvas') at('map').append(el('div', { class: 'map-note' }, 'drawn without WebGL'));
  window.listening = { content, store, player, map, ready: performance.now() };
  document.body.dataset.map = kind;
}

// The pictures of the clip that is chosen, wherever they are.
function mark(row) {
  document.querySelectorAll('.thumb.now').forEach((thumb) => thumb.classList.remove('now'));
  document.querySelectorAll(`.thumb[data-row="${row}"]`).forEach((thumb) => thumb.classList.add('now'));
}

function panels(store, edits, theme) {
  return [
    ['clusters', 'Clusters', clusters(store)],
    ['clips', 'Clips', clips(store)],
    ['recordings', 'Recordings', recordings(store, theme)],
    ['compare', 'Compare', compare(store)],
    ['howmany', 'How many', howmany(store)],
    ['names', 'Edit', names(store, edits)],
    ['about', 'About', about(store.content)],
  ].filter(([, , panel]) => panel);
}

function head(content, store) {
  const kinds = content.clusters.filter((each) => each.cluster >= 0).length;
  const facts = [
    `${plural(content.total, 'clip')} of ${plural(content.recordings, 'recording')}`,
    plural(kinds, 'cluster'),
    content.noise ? `${count(content.noise)} noise (${percent(content.noise / content.total)})` : 'no noise',
    `${count(content.sound.filter((place) => place >= 0).length)} can be heard`,
  ];
  const out = content.left_out.length
    ? button('what is left out', () => store.emit('panel', 'about'), { class: 'quiet' })
    : '';
  const warnings = content.warnings.length
    ? el(
        'ul',
        { class: 'warnings', 'aria-label': 'Warnings' },
        content.warnings.map((each) => el('li', {}, visible(each))),
      )
    : '';
  return [
    el('h1', {}, visible(content.title)),
    el('p', { class: 'meta' }, facts.join(' · '), ' ', out),
    el('p', { class: 'why' }, visible(content.why)),
    warnings,
  ].filter(Boolean);
}

function zoom(map) {
  return el(
    'div',
    { class: 'zoom' },
    button('+', () => map.zoomBy(1.5), { 'aria-label': 'Zoom in', title: 'Zoom in' }),
    button('−', () => map.zoomBy(1 / 1.5), { 'aria-label': 'Zoom out', title: 'Zoom out' }),
    button('⤢', () => map.fit(), { 'aria-label': 'Show the whole map', title: 'Show the whole map' }),
  );
}

start();

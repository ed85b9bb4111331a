// The clips that filters leave, as a list.
import { badge } from '../clip.js';
import { button, el, select } from '../elements.js';
import { count, name, percent, plural, span, visible } from '../text.js';

const PAGE = 100; // clips that are listed at first, and added at a time

const ORDERS = {
  sequence: 'by cluster',
  file: 'by file',
  unsure: 'least confident first',
  sure: 'most confident first',
  loud: 'loudest first',
};

export function clips(store) {
  const { content } = store;
  let order = 'sequence';
  let shown = PAGE;
  const body = el('tbody', {});
  const head = el('p', { class: 'muted', role: 'status' });
  const more = button('Show more', () => {
    shown += PAGE;
    draw();
  });
  const sorted = () => {
    const by = KEYS[order]?.(content);
    return by ? store.rowsShown().sort((a, b) => by(a) - by(b) || a - b) : store.listed();
  };
  const draw = () => {
    const rows = sorted();
    head.textContent = `${plural(rows.length, 'clip')}${rows.length > shown ? `, the first ${count(shown)}` : ''}`;
    body.replaceChildren(...rows.slice(0, shown).map((row) => line(store, row)));
    more.hidden = rows.length <= shown;
  };
  const again = () => {
    shown = PAGE;
    panel.hidden ? (panel.stale = true) : draw();
  };
  const choose = select(Object.entries(ORDERS), order, (value) => {
    order = value;
    draw();
  });
  const panel = el(
    'div',
    {},
    el('div', { class: 'row-head' }, head, el('label', { class: 'inline' }, 'Order ', choose)),
    el(
      'table',
      { class: 'list' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          ['', 'Clip', 'Time', 'Cluster', 'Confidence'].map((title) => el('th', { scope: 'col' }, title)),
        ),
      ),
      body,
    ),
    more,
  );
  store.on('filter', again);
  store.on('clip', () =>
    body
      .querySelectorAll('tr')
      .forEach((each) => each.classList.toggle('current', Number(each.dataset.row) === store.clip)),
  );
  panel.draw = draw;
  panel.stale = true;
  return panel;
}

const KEYS = {
  file: () => (row) => row,
  unsure: (content) => (row) => content.sure(row) ?? 2,
  sure: (content) => (row) => -(content.sure(row) ?? -1),
  loud: (content) => (row) => -(Number.isFinite(content.level[row]) ? content.level[row] : -999),
};

function line(store, row) {
  const { content } = store;
  const sure = content.sure(row);
  const heard = content.heard(row);
  const category = content.clusterOf;
  return el(
    'tr',
    { class: row === store.clip ? 'current' : '', 'data-row': row },
    el(
      'td',
      {},
      button(heard ? '▶' : '○', () => store.emit('play', row), {
        class: 'icon',
        'aria-label': `${heard ? 'Play' : 'Show, without sound:'} ${visible(content.file(row))}`,
      }),
    ),
    el('td', { class: 'path' }, name(content.path(row))),
    el('td', {}, span(content.start[row], content.end[row])),
    el(
      'td',
      {},
      badge(category, category.codes[row]),
      ' ',
      category.named[category.codes[row]] ? name(category.nameOf(row)) : '',
    ),
    el('td', { class: 'number' }, sure === null ? '' : percent(sure)),
  );
}

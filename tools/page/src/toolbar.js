// Above the map: colours, search, filters, and which of them are on; below it the legend.
import { badge } from './clip.js';
import { button, el, select } from './elements.js';
import { count, name, visible } from './text.js';

export function toolbar(store) {
  const { content } = store;
  const categories = [...content.categories.values()];
  const options = categories.map((each) => [each.key, visible(each.title)]);
  const colours = select(options, store.colouring.key, (key) => store.colour(content.categories.get(key)), {
    'aria-label': 'Colours',
  });
  store.on('colour', (category) => {
    colours.querySelector('[value="cut"]')?.remove();
    if (category.key === 'cut') colours.append(el('option', { value: 'cut' }, category.title));
    colours.value = category.key;
  });
  const search = el('input', {
    type: 'search',
    placeholder: 'File name',
    'aria-label': 'Search by file name',
    id: 'search',
    'aria-keyshortcuts': '/',
  });
  search.addEventListener('input', () => store.words(search.value.trim()));
  search.addEventListener('keydown', (event) => event.key === 'Enter' && store.emit('panel', 'clips'));
  const filters = ['label', 'group', 'folder']
    .map((key) => content.categories.get(key))
    .filter(Boolean)
    .map((category) => narrow(store, category));
  store.on('filter', () => {
    if (!store.filters.has('text') && search.value.trim()) search.value = '';
  });
  return el(
    'div',
    { class: 'toolbar' },
    el('label', { class: 'wide' }, el('span', {}, 'Colours'), colours),
    el('label', {}, el('span', {}, 'Search'), search),
    filters,
  );
}

function narrow(store, category) {
  const options = category.order.map((code) => [
    String(code),
    `${visible(category.names[code])} (${count(category.counts[code])})`,
  ]);
  const element = select([['', 'all'], ...options], '', (value) => store.only(category, value ? [Number(value)] : []), {
    'aria-label': category.title,
  });
  store.on('filter', () => {
    const codes = [...(store.filters.get(category) || [])];
    element.value = codes.length === 1 ? String(codes[0]) : '';
  });
  return el('label', {}, el('span', {}, category.title), element);
}

// Which filters are on, each with a button that drops it.
export function chips(store) {
  const { content } = store;
  const element = el('div', { class: 'chips', role: 'status' });
  const draw = () => {
    const found = [...store.filters].map(([key, value]) =>
      el(
        'button',
        { type: 'button', class: 'chip', title: 'Drop this filter', onclick: () => store.drop(key) },
        told(content, key, value),
        ' ×',
      ),
    );
    const all = found.length
      ? [
          el('span', {}, `${count(store.shown)} of ${count(content.n)} clips`),
          ...found,
          button('Show all', () => store.clear(), { class: 'quiet' }),
        ]
      : [];
    element.replaceChildren(...all);
    element.hidden = !all.length;
  };
  store.on('filter', draw);
  draw();
  return element;
}

function told(content, key, value) {
  if (key === 'text') return `name has “${visible(value)}”`;
  if (key === 'rows') return [`${value.title} `, name(value.of ?? content.file(value.rows[0]))];
  return [
    `${key.clusters ? '' : `${key.title}: `}`,
    [...value].map((code, i) => [i ? ', ' : '', name(key.names[code])]),
  ];
}

// The parts of what the map is coloured by; each is a switch of the filter.
export function legend(store) {
  const element = el('div', { class: 'legend', role: 'group' });
  const draw = () => {
    const { colouring } = store;
    element.setAttribute('aria-label', `Legend: ${colouring.title}`);
    element.replaceChildren(
      ...colouring.order.map((code) => {
        const named = !colouring.clusters || colouring.named?.[code] || !colouring.known[code];
        return el(
          'button',
          {
            type: 'button',
            class: 'entry',
            'aria-pressed': String(store.holds(colouring, code)),
            title: 'Show only this',
            onclick: () => store.toggle(colouring, code),
          },
          badge(colouring, code),
          named && colouring.key !== 'cut' ? name(colouring.names[code]) : '',
          el('span', { class: 'muted' }, count(colouring.counts[code])),
        );
      }),
    );
  };
  store.on('colour', draw);
  store.on('filter', draw);
  store.on('edits', draw);
  draw();
  return element;
}

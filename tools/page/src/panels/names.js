// Names and edits of the clusters, as the text of clusters.yaml.
import { badge } from '../clip.js';
import { button, el, select } from '../elements.js';
import { count, visible } from '../text.js';
import { clustersYaml } from '../yaml.js';

export function names(store, edits) {
  const { content } = store;
  const ids = content.clusters.map((each) => each.cluster).filter((id) => id >= 0);
  const text = el('textarea', { readonly: true, rows: 6, spellcheck: 'false', 'aria-label': 'Text of clusters.yaml' });
  const said = el('span', { class: 'muted', role: 'status' });
  const body = el('tbody', {});
  const tell = () => {
    text.value = clustersYaml(content.chosen, edits.all());
    text.rows = text.value.split('\n').length;
  };
  const draw = () => {
    const focus = body.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
    body.replaceChildren(...ids.map((id) => line(content, edits, ids, id, draw)));
    [...body.querySelectorAll('[aria-label]')].find((field) => field.getAttribute('aria-label') === focus)?.focus();
    tell();
  };
  store.on('edits', tell);
  store.on('merge', (groups) => {
    edits.mergeGroups(groups);
    draw();
    store.emit('panel', 'names');
  });
  store.on('edit', (id) => {
    store.emit('panel', 'names');
    body.querySelector(`[data-cluster="${id}"] input`)?.focus();
  });
  const panel = el(
    'div',
    {},
    el(
      'p',
      {},
      'Name clusters, merge, split or drop them. Put the text below into ',
      el('code', {}, 'clusters.yaml'),
      ' beside ',
      el('code', {}, 'params.yaml'),
      ' and run ',
      el('code', {}, 'dvc repro report'),
      ': lists, exports and this page follow, nothing is clustered anew.',
    ),
    el(
      'div',
      { class: 'scroll' },
      el(
        'table',
        { class: 'list edits' },
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            ['Cluster', 'Name', 'Merge into', 'Split in', 'Drop'].map((title) => el('th', { scope: 'col' }, title)),
          ),
        ),
        body,
      ),
    ),
    el('h2', {}, 'clusters.yaml'),
    text,
    el(
      'p',
      { class: 'actions' },
      button('Copy', () => copy(text, said), { class: 'primary' }),
      save(text),
      button('Forget these edits', () => forget(edits, draw), { class: 'quiet' }),
      said,
    ),
  );
  draw();
  return panel;
}

// A cluster's row; draw draws all rows anew.
function line(content, edits, ids, id, draw) {
  const category = content.clusterOf;
  const code = category.code(id);
  const size = category.counts[code];
  const fields = [called(edits, id), into(edits, ids, id, draw), parts(edits, id, size, draw), drop(edits, id, draw)];
  return el(
    'tr',
    { 'data-cluster': id },
    el('td', {}, badge(category, code), el('span', { class: 'muted' }, ` ${count(size)}`)),
    fields.map((field) => el('td', {}, field)),
  );
}

function called(edits, id) {
  const field = el('input', {
    type: 'text',
    value: edits.names[id] || '',
    'aria-label': `Name of cluster ${id}`,
    placeholder: `cluster ${id}`,
    disabled: edits.drop.includes(id),
    maxlength: 80,
    oninput: () => edits.rename(id, field.value.trim()),
  });
  return field;
}

function into(edits, ids, id, draw) {
  const title = (other) => visible(edits.names[other] ? `${other} ${edits.names[other]}` : `${other}`);
  const targets = ids.filter((other) => edits.merges(id, other));
  const choose = (value) => {
    edits.mergeInto(id, value ? Number(value) : null);
    draw();
  };
  return select(
    [['', '–'], ...targets.map((other) => [String(other), title(other)])],
    String(edits.into[id] ?? ''),
    choose,
    { 'aria-label': `Merge cluster ${id} into`, disabled: edits.drop.includes(id) },
  );
}

function parts(edits, id, size, draw) {
  const field = el('input', {
    type: 'number',
    min: 2,
    max: size,
    value: edits.split[id] ?? '',
    'aria-label': `Split cluster ${id} in`,
    disabled: size < 2 || !edits.splits(id),
    title: edits.fixed.has(id) ? 'split or merged already: change clusters.yaml itself' : null,
    oninput: () => edits.splitIn(id, Math.min(size, Math.round(Number(field.value)))),
    onchange: draw,
  });
  return field;
}

function drop(edits, id, draw) {
  const field = el('input', {
    type: 'checkbox',
    checked: edits.drop.includes(id),
    'aria-label': `Drop cluster ${id}: its clips become noise`,
    onchange: () => {
      edits.dropped(id, field.checked);
      draw();
    },
  });
  return field;
}

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text.value);
  } catch {
    text.select();
    document.execCommand('copy');
  }
  said.textContent = 'copied';
}

function save(text) {
  return button('Save as a file', () => {
    const url = URL.createObjectURL(new Blob([text.value], { type: 'text/yaml' }));
    el('a', { href: url, download: 'clusters.yaml' }).click();
    URL.revokeObjectURL(url);
  });
}

function forget(edits, draw) {
  edits.reset();
  draw();
}

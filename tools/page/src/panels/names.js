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
    body.replaceChildren(...ids.map((id) => line(content, edits, ids, id, draw)));
    tell();
  };
  store.on('edits', tell);
  store.on('merge', (groups) => {
    edits.change((each) => {
      each.into = {};
      for (const [first, ...others] of groups) for (const id of others) each.into[id] = first;
    });
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
    el('p', {}, 'Name clusters, merge, split or drop them. Put the text below into ', el('code', {}, 'clusters.yaml'), ' beside ', el('code', {}, 'params.yaml'), ' and run ', el('code', {}, 'dvc repro'), ': lists, exports and this page follow, nothing is clustered anew.'),
    el('div', { class: 'scroll' }, el('table', { class: 'list edits' }, el('thead', {}, el('tr', {}, ['Cluster', 'Name', 'Merge into', 'Split in', 'Drop'].map((title) => el('th', { scope: 'col' }, title)))), body)),
    el('h2', {}, 'clusters.yaml'),
    text,
    el('p', { class: 'actions' }, button('Copy', () => copy(text, said), { class: 'primary' }), save(text), button('Forget these edits', () => forget(edits, draw), { class: 'quiet' }), said),
  );
  draw();
  return panel;
}

function line(content, edits, ids, id, draw) {
  const category = content.clusterOf;
  const dropped = edits.drop.includes(id);
  const merged = edits.into[id] !== undefined;
  const called = el('input', { type: 'text', value: edits.names[id] || '', 'aria-label': `Name of cluster ${id}`, placeholder: `cluster ${id}`, disabled: dropped, maxlength: 80 });
  called.addEventListener('input', () => edits.change((each) => (each.names[id] = called.value.trim())));
  const targets = ids.filter((other) => other !== id && !edits.drop.includes(other) && !edits.split[other] && !edits.circular(id, other));
  const options = [['', '–'], ...targets.map((other) => [String(other), visible(edits.names[other] ? `${other} ${edits.names[other]}` : `${other}`)])];
  const into = select(options, merged ? String(edits.into[id]) : '', (value) => {
    edits.change((each) => {
      if (value) each.into[id] = Number(value);
      else delete each.into[id];
      delete each.split[id];
    });
    draw();
  }, { 'aria-label': `Merge cluster ${id} into`, disabled: dropped });
  const parts = el('input', { type: 'number', min: 2, max: 99, value: edits.split[id] ?? '', 'aria-label': `Split cluster ${id} in`, disabled: !edits.splits(id), title: edits.fixed.has(id) ? 'split or merged already: change clusters.yaml itself' : null });
  parts.addEventListener('input', () => edits.change((each) => {
    const number = Math.round(Number(parts.value));
    if (number >= 2) each.split[id] = Math.min(number, 99);
    else delete each.split[id];
  }));
  const drop = el('input', { type: 'checkbox', checked: dropped, 'aria-label': `Drop cluster ${id}: its clips become noise` });
  drop.addEventListener('change', () => {
    edits.change((each) => {
      each.drop = each.drop.filter((other) => other !== id);
      if (drop.checked) {
        each.drop.push(id);
        delete each.into[id];
        delete each.split[id];
        for (const [from, to] of Object.entries(each.into)) if (to === id) delete each.into[from];
      }
    });
    draw();
  });
  const code = category.code(id);
  return el('tr', { 'data-cluster': id }, el('td', {}, badge(category, code), el('span', { class: 'muted' }, ` ${count(category.counts[code])}`)), [called, into, parts, drop].map((control) => el('td', {}, control)));
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

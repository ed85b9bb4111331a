// A clip as a small picture that plays it, and the number of a cluster on its colour.
import { button, el, whenSeen } from './elements.js';
import { thumbnail } from './sound.js';
import { name, seconds, span, visible } from './text.js';

export function badge(category, code) {
  const colour = category.colours[code];
  return el(
    'span',
    { class: 'badge', style: `--on: var(--c${colour}); --ink: var(--t${colour})` },
    category.badges[code] || ' ',
  );
}

export function thumb(store, row, own = false) {
  const { content } = store;
  const heard = content.heard(row);
  const file = content.file(row);
  const { clusterOf } = content;
  const canvas = el('canvas', { 'aria-hidden': 'true', width: 72, height: 36 });
  const caption = el(
    'span',
    { class: 'caption' },
    own ? '' : badge(clusterOf, clusterOf.codes[row]),
    brief(content, row, own ? 11 : 7),
  );
  const element = button('', () => store.emit('play', row), {
    class: heard ? 'thumb' : 'thumb mute',
    title: `${visible(content.path(row))}, ${span(content.start[row], content.end[row])}`,
    'aria-label': `${heard ? 'Play' : 'Show, without sound:'} ${visible(file)}, ${span(content.start[row], content.end[row])}, ${visible(clusterOf.nameOf(row))}`,
    'data-row': row,
  });
  element.append(canvas, caption);
  if (heard) whenSeen(element, () => thumbnail(canvas, content, row));
  return element;
}

// The end of a file's name, which tells files apart, and in a recording of several clips where it starts.
function brief(content, row, room) {
  const at = content.several[content.recording[row]] > 1 ? ` ${seconds(content.start[row])}` : '';
  const stem = content.file(row).replace(/\.[A-Za-z0-9]{1,4}$/, '');
  const rest = Math.max(4, room - at.length);
  return [name(stem.length > rest ? `…${stem.slice(1 - rest)}` : stem), at];
}

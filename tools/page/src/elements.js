// Elements that are built without markup: whatever comes from data is set as text.

// el('button', {class: 'play', onclick: play, 'aria-label': 'Play'}, 'text', child, ...)
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

export function button(text, onclick, attributes = {}) {
  return el('button', { type: 'button', onclick, ...attributes }, text);
}

export function select(options, chosen, onchange, attributes = {}) {
  const element = el('select', { onchange: () => onchange(element.value), ...attributes });
  for (const [value, text] of options) element.append(el('option', { value }, text));
  element.value = chosen;
  return element;
}

// Calls draw when an element first comes into view.
export function whenSeen(element, draw) {
  seen.set(element, draw);
  observer.observe(element);
}

const seen = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      seen.get(target)();
    }
  },
  { rootMargin: '200px' },
);

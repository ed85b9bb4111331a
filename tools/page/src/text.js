// Names and figures as a person reads them.
import { el } from './elements.js';

// What moves or hides text: controls, marks of direction, spaces of no width, half a surrogate pair.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// A name whose hidden characters show. A byte that is no UTF-8 shows as \xff.
export function visible(text) {
  return text.replace(HIDDEN, (c) => {
    const code = c.charCodeAt(0);
    return code >= 0xdc80 && code <= 0xdcff ? `\\x${(code - 0xdc00).toString(16)}` : `\\u${hex(code)}`;
  });
}

function hex(code) {
  return code.toString(16).padStart(4, '0');
}

// A name on a page whose own direction of writing it must not change.
export function name(text, attributes = {}) {
  return el('bdi', attributes, visible(text));
}

export const count = (n) => n.toLocaleString('en');

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export function seconds(s) {
  if (!(s >= 60)) return `${(Math.round(s * 100) / 100).toLocaleString('en')} s`;
  const whole = Math.floor(s);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part, i) => (i ? String(part).padStart(2, '0') : part)).join(':');
}

export const span = (from, to) => (Number.isFinite(to) ? `${seconds(from)} – ${seconds(to)}` : seconds(from));

export function hertz(f) {
  return f < 1000 ? `${Math.round(f)} Hz` : `${(f / 1000).toFixed(f < 10000 ? 1 : 0)} kHz`;
}

// With a sign of its own: + or a true minus.
export function signed(value, digits = 1) {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
}

export const minus = (value, digits = 0) => (value < 0 ? '−' : '') + Math.abs(value).toFixed(digits);

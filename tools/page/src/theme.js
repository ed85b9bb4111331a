// Colours of the page, light or dark as the reader's system is.
import { COLOURS } from './category.js';

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const SURFACE = { light: ['#ffffff', '#8a8f98', '#e4e6ea'], dark: ['#171a1f', '#868d98', '#2c3138'] }; // page, grey, faint

export class Theme {
  constructor(schemes) {
    this.schemes = schemes;
    this.listeners = [];
    this._apply();
    dark.addEventListener('change', () => {
      this._apply();
      this.listeners.forEach((listener) => listener());
    });
  }

  onchange(listener) {
    this.listeners.push(listener);
  }

  // Ten colours, then grey and faint.
  _apply() {
    const scheme = dark.matches ? 'dark' : 'light';
    const [surface, grey, faint] = SURFACE[scheme];
    this.dark = dark.matches;
    this.surface = surface;
    this.palette = [...this.schemes[scheme].slice(0, COLOURS), grey, faint];
    this.palette.forEach((colour, i) => {
      document.documentElement.style.setProperty(`--c${i}`, colour);
      document.documentElement.style.setProperty(`--t${i}`, light(colour) > 0.3 ? '#111' : '#fff');
    });
  }

  get ink() {
    return this.dark ? '#e8eaed' : '#1c2127';
  }
}

// Relative luminance, WCAG 2.
function light(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

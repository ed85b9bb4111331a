// Panels of which one is seen, by tabs as WAI-ARIA has them.
import { el } from './elements.js';

// panels: [[key, title, element], ...]
export function tabs(panels, store) {
  const bar = el('div', { role: 'tablist', class: 'tabs', 'aria-label': 'Panels' });
  const buttons = panels.map(([key, title, panel]) => {
    panel.id = `panel-${key}`;
    panel.classList.add('panel');
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', `tab-${key}`);
    panel.setAttribute('tabindex', '-1');
    return el(
      'button',
      { type: 'button', role: 'tab', id: `tab-${key}`, 'aria-controls': panel.id, onclick: () => open(key) },
      title,
    );
  });
  const open = (key) => {
    panels.forEach(([own, , panel], i) => {
      const chosen = own === key;
      panel.hidden = !chosen;
      buttons[i].setAttribute('aria-selected', String(chosen));
      buttons[i].setAttribute('tabindex', chosen ? '0' : '-1');
      if (chosen && panel.stale) {
        panel.stale = false;
        panel.draw();
      }
    });
  };
  bar.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = buttons.indexOf(document.activeElement);
    const next = (at + by + buttons.length) % buttons.length;
    open(panels[next][0]);
    buttons[next].focus();
  });
  store.on('panel', open);
  bar.append(...buttons);
  open(panels[0][0]);
  return [bar, ...panels.map(([, , panel]) => panel)];
}

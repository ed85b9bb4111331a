// The text of clusters.yaml.

const PLAIN = /^[A-Za-z][A-Za-z0-9_/.+-]*$/;
const RESERVED = /^(true|false|null|yes|no|on|off|y|n)$/i;
// What YAML does not print as it is, and what would turn a line around; JSON leaves these as they are.
const ESCAPED = /[\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\uffff]/g;

export function scalar(text) {
  if (PLAIN.test(text) && !RESERVED.test(text)) return text;
  return JSON.stringify(text).replace(/[\ud800-\udbff][\udc00-\udfff]|(.)/gsu, (pair, one) =>
    one === undefined ? pair : one.replace(ESCAPED, escape),
  );
}

function escape(c) {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const list = (values) => `[${values.join(', ')}]`;
const mapping = (entries) => `{${entries.map(([key, value]) => `${key}: ${value}`).join(', ')}}`;

// names: by number; split: pairs of a cluster and its parts, in their order, which numbers the new clusters.
export function clustersYaml(cell, { names, merge, split, drop }) {
  const byNumber = (mapped) => Object.entries(mapped).sort(([a], [b]) => a - b);
  return [
    `cell: ${scalar(cell)}`,
    `names: ${mapping(byNumber(names).map(([id, text]) => [id, scalar(text)]))}`,
    `merge: ${list(merge.map(list))}`,
    `split: ${mapping(split)}`,
    `drop: ${list(drop)}`,
    '',
  ].join('\n');
}

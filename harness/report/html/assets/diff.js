/* Words of `text` that are not in `target` and the other way round: longest common subsequence. */
const DIFF_WORDS = 1500;

function wordDiff(target, text) {
  const [a, b] = [target, text].map((words) => words.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? []);
  if (a.length > DIFF_WORDS || b.length > DIFF_WORDS) return null;
  const width = b.length + 1;
  const best = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i * width + j] = a[i] === b[j]
        ? best[(i + 1) * width + j + 1] + 1
        : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const parts = [];
  const push = (tag, word) => {
    if (parts.length && parts.at(-1).tag === tag) parts.at(-1).text += word;
    else parts.push({ tag, text: word });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { push("span", a[i]); i++; j++; }
    else if (i < a.length && (j === b.length || best[(i + 1) * width + j] >= best[i * width + j + 1])) push("del", a[i++]);
    else push("ins", b[j++]);
  }
  return parts;
}

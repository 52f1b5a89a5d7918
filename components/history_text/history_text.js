// Draws the parts of a text. It runs again at every change of data; a text that is still the same is left as it is, with its place.

const TAGS = { removed: "del", added: "ins" };
const SAID_MS = 1500;

export default function ({ data: [data], parentElement }) {
  const root = parentElement.querySelector(".history-text");
  const { parts, copied, labels } = data;
  const mark = JSON.stringify(data);
  if (root.drawn === mark) return;
  root.drawn = mark;
  root.textContent = "";
  const scroll = element("div", "scroll", root);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", labels.name);
  const words = element("div", "words", scroll);
  for (const [kind, text] of parts) {
    const part = element(TAGS[kind] ?? "span", kind, words, text);
    if (TAGS[kind]) part.title = labels[kind];
  }
  if (copied == null) return;
  const button = element("button", "copy", root, labels.copy);
  button.type = "button";
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(copied);
    } catch {
      // Where pages may not write there: what is selected can be copied by hand.
      getSelection().selectAllChildren(words);
      return;
    }
    button.textContent = labels.copied;
    setTimeout(() => (button.textContent = labels.copy), SAID_MS);
  };
}

function element(tag, className, parent, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

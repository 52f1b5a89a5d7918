// Hands over the set-up that an address brings: after its #, which no server is ever told, or by the id of one that is kept; and clears
// the address once that has been heard.

const MARK = "#setup=";
const LONGEST = 100001;
const AGAIN = [600, 2000, 6000, 15000];
const PATIENCE = 5000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const link = (window.playgroundLink ??= { tries: 0 });

function brought() {
  if (location.hash.startsWith(MARK)) return { packed: location.hash.slice(MARK.length, MARK.length + LONGEST) };
  const id = new URLSearchParams(location.search).get("setup");
  return id ? { id: id.slice(0, 100) } : null;
}

function look() {
  const found = brought();
  const text = found && JSON.stringify(found);
  if (!link.tell || !found || link.text === text) return;
  Object.assign(link, { text, at: Date.now(), tries: 0 });
  const told = { ...found, at: link.at };
  Promise.race([sheet(), pause(PATIENCE)]).then(() => again(told));
}

// What is typed, or was before a reload, goes along: nothing is put over it unasked.
async function sheet() {
  while (!window.playgroundSheet) await pause(50);
  await window.playgroundSheet.come;
}

// What is told while a part is being mounted may go unheard.
function again(told) {
  if (link.tries >= AGAIN.length) return;
  setTimeout(() => {
    if (!link.tell || link.at !== told.at) return;
    link.tell("link", { ...told, typed: window.playgroundSheet?.typed ?? null });
    again(told);
  }, AGAIN[link.tries++]);
}

if (!link.listens) window.addEventListener("hashchange", look);
link.listens = true;

export default function ({ data, setTriggerValue }) {
  link.tell = setTriggerValue;
  if (data.heard && data.heard === link.at) {
    if (location.hash.startsWith(MARK)) history.replaceState(history.state, "", location.pathname + location.search);
    link.text = link.at = null;
  }
  look();
  return () => {
    link.tell = null;
  };
}

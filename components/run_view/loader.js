// Draws by the sheet's code as soon as that is here: it comes in a message of its own, which a browser gets once.

export default function (component) {
  let leave = null;
  let gone = false;
  const code = (window.playgroundSheet ??= (() => {
    let give;
    return { come: new Promise((found) => (give = found)), give };
  })());
  code.come.then((draw) => {
    if (!gone) leave = draw({ ...component, data: component.data[0] });
  });
  return () => {
    gone = true;
    leave?.();
  };
}

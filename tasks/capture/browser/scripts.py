"""The scripts that are run on a page, in a world of their own: its scripts cannot see or change what they call."""

__all__ = ["DOM", "FIND_OVERLAYS", "SCROLL", "SETTLE", "SIZE"]

# Down the page step by step, so that what is loaded when it comes into view is asked for, and back up.
SCROLL = """
(async () => {
  for (const e of document.querySelectorAll('img[loading=lazy], iframe[loading=lazy]')) e.loading = 'eager';
  const root = () => document.scrollingElement || document.documentElement;
  // What comes into view is noticed when a frame is drawn; a busy machine takes its time for one.
  const drawn = () => new Promise(done => {
    setTimeout(done, 500);
    requestAnimationFrame(() => requestAnimationFrame(done));
  });
  for (let y = 0, n = 0; root() && y < root().scrollHeight && n < 50; n++, y += innerHeight * 0.9) {
    scrollTo({top: y, behavior: 'instant'});
    await Promise.all([drawn(), new Promise(done => setTimeout(done, 50))]);
  }
  scrollTo({top: 0, behavior: 'instant'});
})()
"""

# Fonts are there and pictures decoded, for a second at most.
SETTLE = """
Promise.race([
  Promise.all([document.fonts.ready, ...[...document.images].slice(0, 200).map(i => i.decode().catch(() => 0))]),
  new Promise(done => setTimeout(done, 1000)),
]).then(() => 0)
"""

# The document as it is now, open shadow roots as declarative ones. https://html.spec.whatwg.org/#dom-element-gethtml
DOM = """
(() => {
  const roots = [];
  const walk = (inside, depth) => {
    for (const {shadowRoot} of inside.querySelectorAll('*'))
      if (shadowRoot && roots.length < 5000 && depth < 50) { roots.push(shadowRoot); walk(shadowRoot, depth + 1); }
  };
  walk(document, 0);
  const type = document.doctype ? new XMLSerializer().serializeToString(document.doctype) + '\\n' : '';
  const root = document.documentElement;
  if (!root) return {html: type, title: document.title, url: document.URL, type: document.contentType};
  let html = root.outerHTML;
  if (roots.length && root.getHTML) {
    const shell = root.cloneNode(false).outerHTML, cut = shell.lastIndexOf('</');
    html = shell.slice(0, cut) + root.getHTML({shadowRoots: roots}) + shell.slice(cut);
  }
  if (html.length > %d) return {over: html.length};
  return {html: type + html, title: document.title.slice(0, 1000), url: document.URL, type: document.contentType};
})()
"""

# Its height, seen from its top: pictures are of what is in view.
SIZE = """
(scrollTo({top: 0, behavior: 'instant'}),
 {height: Math.max(document.documentElement?.scrollHeight || 0, document.body?.scrollHeight || 0, innerHeight)})
"""

# Consent overlays that are shown: hidden, or the button that refuses is pressed. Gives their names.
FIND_OVERLAYS = """
((overlays, click) => {
  const shown = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 &&
    getComputedStyle(e).visibility !== 'hidden'; };
  const done = [];
  for (const [name, boxes, buttons] of overlays) {
    const found = boxes.flatMap(b => [...document.querySelectorAll(b)]).filter(shown);
    if (!found.length) continue;
    const button = click && buttons.flatMap(b => [...document.querySelectorAll(b)]).find(shown);
    if (button) { button.click(); done.push(name + '-clicked'); continue; }
    if (click === 'only') continue;
    for (const e of found) e.style.setProperty('display', 'none', 'important');
    for (const e of [document.documentElement, document.body])
      for (const [key, value] of [['overflow', 'auto'], ['position', 'static'], ['filter', 'none']])
        e && e.style.setProperty(key, value, 'important');
    done.push(name + '-hidden');
  }
  return done;
})(%s, %s)
"""

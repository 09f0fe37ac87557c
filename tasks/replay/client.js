// Before all scripts of an archived page: URLs that they make up lead into the archive as well. What this misses is
// stopped by the server's policy. A page in a sandbox has no storage and no cookies: it gets some that end with it.
(function replay(prefix, archived) {
  "use strict";
  const here = location.origin;
  const map = (reference) => {
    const text = String(reference).trim();
    if (!text || text[0] === "#" || (/^[a-z][a-z0-9+.-]*:/i.test(text) && !/^https?:/i.test(text))) return reference;
    try {
      let url = new URL(text, /^(?:https?:)?\/\/|^https?:/i.test(text) || text[0] === "/" ? archived : document.baseURI);
      if (url.origin === here) {
        if (url.pathname.startsWith(prefix.slice(0, prefix.indexOf("/", 1) + 1))) return reference;
        url = new URL(url.pathname + url.search + url.hash, archived);
      }
      return prefix + url.href;
    } catch {
      return reference;
    }
  };
  const mapSet = (text) => String(text).replace(/(^|,\s+|,(?=\S*:\/\/))\s*(\S+?)(?=,?\s|,?$)/g, (_, before, url) => before + map(url));
  const wrap = (owner, name, change) => {
    const old = owner && owner[name];
    if (typeof old === "function") owner[name] = function (...args) { return old.apply(this, change(args)); };
  };
  wrap(window, "fetch", ([what, ...rest]) => [
    what instanceof Request ? new Request(map(what.url), what) : map(what), ...rest]);
  wrap(XMLHttpRequest.prototype, "open", ([method, url, ...rest]) => [method, map(url), ...rest]);
  wrap(window, "open", ([url, ...rest]) => [url && map(url), ...rest]);
  for (const name of ["EventSource", "Worker", "SharedWorker"]) {
    const Old = window[name];
    if (Old) window[name] = class extends Old { constructor(url, ...rest) { super(map(url), ...rest); } };
  }
  const attributes = { src: map, href: map, poster: map, data: map, action: map, srcset: mapSet };
  const change = (element, name, value) => {
    const to = attributes[String(name).toLowerCase()];
    return to && element instanceof Element && element.tagName !== "BASE" ? to(value) : value;
  };
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) { return set.call(this, name, change(this, name, value)); };
  for (const [kind, names] of Object.entries({
    HTMLImageElement: ["src", "srcset"], HTMLSourceElement: ["src", "srcset"], HTMLScriptElement: ["src"],
    HTMLLinkElement: ["href"], HTMLIFrameElement: ["src"], HTMLMediaElement: ["src"], HTMLVideoElement: ["poster"],
    HTMLAnchorElement: ["href"], HTMLEmbedElement: ["src"], HTMLObjectElement: ["data"], HTMLInputElement: ["src"],
    HTMLTrackElement: ["src"], HTMLFormElement: ["action"],
  })) {
    const owner = window[kind] && window[kind].prototype;
    for (const name of names) {
      const old = owner && Object.getOwnPropertyDescriptor(owner, name);
      if (!old || !old.set) continue;
      const setter = function (value) { old.set.call(this, attributes[name](value)); };
      Object.defineProperty(owner, name, { ...old, set: setter });
    }
  }
  const storage = () => {
    const held = new Map();
    return {
      getItem: (key) => (held.has(String(key)) ? held.get(String(key)) : null),
      setItem: (key, value) => void held.set(String(key), String(value)),
      removeItem: (key) => void held.delete(String(key)),
      clear: () => held.clear(),
      key: (at) => [...held.keys()][at] ?? null,
      get length() { return held.size; },
    };
  };
  const define = (owner, name, what) => {
    try { Object.defineProperty(owner, name, { configurable: true, ...what }); } catch { /* the browser's own stays */ }
  };
  define(window, "localStorage", { value: storage() });
  define(window, "sessionStorage", { value: storage() });
  const cookies = new Map();
  define(document, "cookie", {
    get: () => [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
    set: (text) => { const [name, ...value] = String(text).split(";")[0].split("="); cookies.set(name.trim(), value.join("=")); },
  });
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport", "WebSocket"]) {
    define(window, name, { value: undefined, configurable: false });
  }
  // Documents that scripts make up as text begin with this program as well: the browser asks us for each such text.
  if (window.trustedTypes) {
    const [open, close] = ["<script>", "</" + "script>"];
    const itself = `${open}(${replay})(${JSON.stringify(prefix)}, ${JSON.stringify(archived)});${close}`;
    const createHTML = (text, _, sink) =>
      /srcdoc/i.test(sink) ? itself + text : text.replace(/srcdoc/gi, "data-srcdoc");
    const createPolicy = () => ({ createHTML: String, createScript: String, createScriptURL: String });
    trustedTypes.createPolicy("default", { createHTML, createScript: String, createScriptURL: String });
    define(TrustedTypePolicyFactory.prototype, "createPolicy", { value: createPolicy });
  }
  define(navigator, "sendBeacon", { value: () => true });
  if (document.currentScript) document.currentScript.remove();
})

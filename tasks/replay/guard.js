// Before the service worker of ReplayWeb.page: pages that it gives get no WebSocket by policy, and no WebRTC, which no
// policy keeps in. Frames that scripts make up as text are not reached by this.
"use strict";
const FIRST = new TextEncoder().encode(
  '<script>for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport"]) ' +
  "Object.defineProperty(window, name, { value: undefined }); document.currentScript.remove();</script>");

async function guarded(promised) {
  const given = await promised;
  if (!given || given.type === "error" || given.type === "opaqueredirect" || !given.headers) return given;
  const headers = new Headers(given.headers);
  const policy = headers.get("Content-Security-Policy");
  if (policy) headers.set("Content-Security-Policy", policy.replace(/ wss?:/g, ""));
  const { status, statusText } = given;
  const page = /^text\/html\b/i.test(headers.get("Content-Type") || "") && given.body;
  if (!policy && !page) return given;
  if (!page) return new Response(given.body, { status, statusText, headers });
  const bytes = new Uint8Array(await given.arrayBuffer());
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 2048));
  const at = /^(?:\xef\xbb\xbf)?\s*(?:<!doctype[^>]*>)?/i.exec(start)[0].length;
  headers.delete("Content-Length");
  return new Response(new Blob([bytes.subarray(0, at), FIRST, bytes.subarray(at)]), { status, statusText, headers });
}

const listen = self.addEventListener.bind(self);
self.addEventListener = (kind, listener, ...rest) => {
  if (kind !== "fetch") return listen(kind, listener, ...rest);
  return listen(kind, (event) => {
    const respond = event.respondWith.bind(event);
    event.respondWith = (promised) => respond(guarded(promised));
    return listener(event);
  }, ...rest);
};
importScripts("viewer.js");

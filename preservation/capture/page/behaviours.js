// What a reader would do. An expression: an object of functions that run in a world apart from the
// page's own scripts. `survey` looks for what there is to do and keeps it in `reading`; the others do
// one small step each, so that the browser and its driver stay in control between them.
(() => {
  const MOST_BOXES = 40;
  const MOST_BUTTONS = 10;
  const MOST_BANNERS = 10;
  const MOST_ROOTS = 2000;
  const STEP = 0.8;
  const FEW_LETTERS = 20;
  const LONGEST_DRAWING_MS = 1000;
  const UNDRAWN_MS = 100;
  const LONGEST_BUSY_MS = 500;

  const NEXT = new RegExp(`^\\s*(${[
    'next( slide| image| photo| picture)?', 'forward', 'suivante?', 'siguiente', 'weiter', 'nächste[srn]?', 'avanti',
    'successiv[oa]', 'próxim[oa]', 'seguinte', 'volgende', 'następn[ya]', 'далее', 'следующ\\S*', 'вперед', 'вперёд',
    'далі', 'наступн\\S*',
    'sonraki', 'ileri', 'التالي', 'التالية', 'بعدی', 'הבא', '下一\\S{0,3}', '次へ', '次', '다음',
    '›', '»', '→', '❯', '>', '⟩', '▶', 'chevron_right', 'arrow_forward(_ios)?',
  ].join('|')})\\s*$`, 'i');
  const MORE = new RegExp([
    '(load|show|see|view|read) (more|all|older|earlier|previous)', 'more (posts|comments|results|replies|items|stories|photos)',
    '(afficher|voir|charger|lire) (plus|davantage|la suite|tous|toutes)', '(mehr|weitere\\S*) (laden|anzeigen|lesen)',
    '(cargar|ver|mostrar|leer) (más|todos|todas)', '(carregar|ver|mostrar) mais', '(carica|mostra|vedi) altr[oi]',
    '(показать|загрузить|смотреть|читать|развернуть) (ещё|еще|больше|далее|вс[её]|полностью|предыдущие)',
    '(показати|завантажити|переглянути|дивитис[ья]|читати|розгорнути) (ще|більше|далі|вс[еі]|повністю|попередні)',
    'daha fazla', 'المزيد', '(عرض|تحميل|مشاهدة|قراءة) (أكثر|الكل)', '(نمایش|مشاهده|بارگذاری|خواندن) بیشتر', 'טען עוד',
    'もっと見る', 'さらに表示', '加载更多', '显示更多', '查看更多', '더 ?보기',
  ].join('|'), 'i');
  const CAROUSEL = /carousel|slider|slide|swiper|gallery|slick|splide|glide|flickity|lightbox|stories/i;
  const CONSENT = new RegExp([
    'cookie', 'consent', 'gdpr', 'privacy', 'datenschutz', 'einwilligung', 'confidentialité', 'privacidade?',
    'ملفات تعريف الارتباط', 'الخصوصية', 'کوکی', 'حریم خصوصی', 'куки', 'конфиденциальност', 'конфіденційн', 'çerez', '隐私', 'プライバシー',
  ].join('|'), 'i');
  const KNOWN_BANNERS = [
    '#onetrust-banner-sdk', '#CybotCookiebotDialog', '.qc-cmp2-container', '#didomi-host', '#usercentrics-root',
    '.fc-consent-root', '[id^=sp_message_container_]', '.cky-consent-bar', '.cc-window', '#cookie-law-info-bar',
    '.osano-cm-window', '#truste-consent-track', '#cookie-notice', '#gdpr-cookie-message', '#cmpbox',
    '.iubenda-cs-container', '#axeptio_overlay',
  ].join();
  const LIKELY_BANNERS = [
    '[role=dialog]', '[role=alertdialog]', 'dialog[open]', '[class*=cookie i]', '[id*=cookie i]',
    '[class*=consent i]', '[id*=consent i]',
  ].join();

  const each = (selector, visit) => {
    const roots = [document];
    for (let at = 0; at < roots.length && roots.length < MOST_ROOTS; at++)
      for (const e of roots[at].querySelectorAll('*')) if (e.shadowRoot) roots.push(e.shadowRoot);
    for (const root of roots) for (const e of root.querySelectorAll(selector)) visit(e);
  };
  const root = () => document.scrollingElement || document.documentElement;
  // CSS Overflow 3, 3.3: the body scrolls by itself only if what it is in has an overflow of its own.
  const isBodyBox = () => document.body && document.body !== root()
    && document.body.scrollHeight > document.body.clientHeight
    && getComputedStyle(document.documentElement).overflowY !== 'visible';
  const height = () => Math.max(root()?.scrollHeight || 0, isBodyBox() ? 0 : document.body?.scrollHeight || 0);
  const isShown = e =>
    e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && e.getClientRects().length > 0;
  const isPressable = e =>
    e.isConnected && !e.disabled && e.getAttribute('aria-disabled') !== 'true' && isShown(e);
  const label = e => (e.getAttribute('aria-label') || e.innerText || e.title || (e.type === 'button' && e.value) || '').trim().slice(0, 80);

  // Whether pressing it could lead elsewhere or send something: then it is left alone.
  const isHarmless = e => {
    const link = e.closest('a[href]');
    const isElsewhere = link && !/^\s*(#|javascript:)/i.test(link.getAttribute('href'));
    return !isElsewhere && !(e.closest('form') && e.type !== 'button');
  };
  // Whether it leads to another part of the same list (?page=2): a script may fetch it in its place. Where
  // none does, `stay` keeps the page here; nothing may be sent meanwhile (ping), and no window opened.
  const isOfThisPage = e => {
    const link = e.closest('a[href]');
    return link?.origin === location.origin && link.pathname === location.pathname && link.search !== location.search
      && /^(_self)?$/i.test(link.target) && !document.querySelector('base[target]') && !e.closest('form')
      && !['ping', 'download', 'attributionsrc'].some(name => link.hasAttribute(name));
  };
  const names = e => [
    e.className?.baseVal ?? e.className, e.id, e.getAttribute('aria-roledescription') || '', e.localName,
  ].join(' ');
  const isWithin = (e, pattern) => {
    for (let up = e, steps = 0; up && steps < 7; up = up.parentElement, steps++) if (pattern.test(names(up))) return true;
    return false;
  };
  const path = e => {
    const parts = [];
    for (let up = e; up && parts.length < 5 && !parts[0]?.startsWith('#'); up = up.parentElement) {
      const classes = [...up.classList].slice(0, 2).map(name => `.${CSS.escape(name)}`).join('');
      parts.unshift(up.id ? `#${CSS.escape(up.id)}` : up.localName + classes);
    }
    return parts.join(' > ');
  };

  // What the last survey found, and what is known of this frame from one survey to the next.
  let reading;
  const known = {
    begun: new WeakSet(), seen: new WeakSet(), spent: new WeakSet(), places: new Map(), ends: new WeakMap(),
    patienceMs: LONGEST_DRAWING_MS,
  };
  // Whether this frame is the page itself, or one that its scripts may read.
  const isOwn = () => {
    try {
      return Boolean(window.top.document);
    } catch {
      return false;
    }
  };
  const fresh = found => {
    const unseen = found.filter(e => !known.seen.has(e));
    for (const e of unseen) known.seen.add(e);
    return unseen.length;
  };

  const moves = /auto|scroll/;
  // Whether it scrolls: what fills the view and is hidden beyond it is what a consent wall locks.
  const isBox = e => {
    const isTall = e.scrollHeight > e.clientHeight + 40 && e.clientHeight >= 80;
    const isWide = e.scrollWidth > e.clientWidth + 40 && e.clientWidth >= 120;
    if (!isTall && !isWide) return false;
    if (e === root()) return window !== window.top;
    if (e === document.body && !isBodyBox()) return false;
    const style = getComputedStyle(e);
    const isLocked = style.overflowY === 'hidden' && e.clientHeight > 0.8 * innerHeight && e.clientWidth > 0.5 * innerWidth;
    return (isTall && (moves.test(style.overflowY) || isLocked)) || (isWide && moves.test(style.overflowX));
  };
  const boxes = () => {
    const found = [];
    each('*', e => found.length < MOST_BOXES && isBox(e) && found.push(e));
    for (const e of found) if (!known.places.has(e)) known.places.set(e, [e.scrollLeft, e.scrollTop]);
    return found;
  };
  // A consent wall that fixes the body keeps the window from moving: then the body is moved, and put back.
  const moveFixedBody = y => {
    const {body} = document;
    if (!body || getComputedStyle(body).position !== 'fixed') return;
    known.bodyStyle ??= {text: body.style.cssText, isSet: body.hasAttribute('style')};
    if (y) return body.style.setProperty('top', `${-y}px`, 'important');
    body.style.cssText = known.bodyStyle.text;
    if (!known.bodyStyle.isSet && body.hasAttribute('style')) body.removeAttribute('style');
    delete known.bodyStyle;
  };
  const extent = e => `${e.scrollWidth} ${e.scrollHeight}`;
  const openBoxes = () => reading.boxes.filter(e => e.isConnected && known.ends.get(e) !== extent(e));
  const isInView = e => {
    const {top, left, bottom, right} = e.getBoundingClientRect();
    return top < innerHeight && bottom > 0 && left < innerWidth && right > 0;
  };
  // One step down, or across where it is at its lower end; whether it moved. What begins elsewhere than
  // at its beginning, as chats do, goes there first.
  const stepBox = e => {
    const {scrollTop, scrollLeft} = e;
    if (!known.begun.has(e)) {
      known.begun.add(e);
      if (scrollTop > 0) e.scrollTo({top: 0, behavior: 'instant'});
      if (e.scrollTop !== scrollTop) return true;
    }
    const style = getComputedStyle(e);
    const down = style.flexDirection === 'column-reverse' ? -STEP : STEP;
    const across = style.direction === 'rtl' ? -STEP : STEP;
    e.scrollBy({top: down * e.clientHeight, behavior: 'instant'});
    if (e.scrollTop !== scrollTop) return true;
    if (moves.test(style.overflowX)) e.scrollBy({left: across * e.clientWidth, behavior: 'instant'});
    return e.scrollLeft !== scrollLeft;
  };
  const later = ms => new Promise(done => setTimeout(done, ms));
  const buttons = () => {
    const found = {nexts: [], mores: []};
    each('button, [role=button], a, input[type=button i]', e => {
      const text = label(e);
      if (!text || !isPressable(e)) return;
      const isMore = MORE.test(text) && !isWithin(e, CONSENT) && !known.spent.has(e);
      if (isHarmless(e) && NEXT.test(text) && isWithin(e, CAROUSEL)) found.nexts.push(e);
      else if (isMore && (isHarmless(e) || isOfThisPage(e))) found.mores.push(e);
    });
    return {nexts: found.nexts.slice(0, MOST_BUTTONS), mores: found.mores.slice(0, MOST_BUTTONS)};
  };
  // WAI-ARIA Authoring Practices, tabs and accordion: what they show is a part of this very page.
  const tabs = () => {
    const found = [];
    each('[role=tab][aria-selected=false], :is(h1, h2, h3, h4, h5, h6, dt) [aria-expanded=false]', e => {
      const shows = e.getAttribute('aria-controls')?.split(' ').some(id => e.getRootNode().getElementById(id));
      if (shows && isPressable(e) && isHarmless(e) && !isWithin(e, CONSENT)) found.push(e);
    });
    return found.filter(e => !known.spent.has(e)).slice(0, MOST_BUTTONS);
  };
  const banners = () => {
    const found = [];
    const note = e => {
      const isKnown = found.some(one => one.contains(e) || e.contains(one));
      if (!isKnown && isShown(e) && found.length < MOST_BANNERS) found.push(e);
    };
    each(KNOWN_BANNERS, note);
    each(LIKELY_BANNERS, e => CONSENT.test(e.innerText) && note(e));
    return found.map(e => ({selector: path(e), text: (e.innerText || '').trim().slice(0, 2000)}));
  };
  const all = selector => {
    const found = [];
    each(selector, e => found.push(e));
    return found;
  };
  // CSS Containment 2, 4: of what may be skipped (content-visibility) only what is near the view is drawn,
  // no text of the rest is read, and each question about it takes a layout of its own. Shown by an
  // animation it is there, and the document as it was; how many weren't so before.
  const unskip = () => {
    const skipped = all('*').filter(e => getComputedStyle(e).contentVisibility === 'auto');
    for (const e of skipped)
      e.animate({contentVisibility: ['visible', 'visible']}, {duration: 1, fill: 'both'}).pause();
    return skipped.length;
  };

  return {
    // Counts of what there is to do, and of what of it is new since the last survey; the page's size in
    // CSS pixels, and consent banners.
    survey() {
      const surveyed = known.places.size, unskipped = unskip();
      reading = {boxes: boxes(), ...buttons(), tabs: tabs(), selected: new Set(), kept: 0};
      const folded = all('details:not([open])');
      const media = all('video, audio').filter(e => !known.begun.has(e));
      return {
        unskipped,
        view_px: innerHeight,
        height_px: height(),
        top_px: Math.round(scrollY),
        is_own: isOwn(),
        boxes: known.places.size - surveyed,
        open_boxes: openBoxes().length,
        nexts: reading.nexts.length,
        mores: reading.mores.length,
        tabs: reading.tabs.length,
        new_nexts: fresh(reading.nexts),
        new_mores: fresh(reading.mores),
        new_tabs: fresh(reading.tabs),
        to_start: fresh(folded) + fresh(media),
        banners: banners(),
      };
    },
    // Whether there is next to nothing to see, and scripts that may change that.
    isBare() {
      const isEmpty = (document.body?.innerText || '').trim().length < FEW_LETTERS && height() <= innerHeight;
      return isEmpty && document.scripts.length > 0 && all('img, video, audio, canvas, iframe, frame').length === 0;
    },
    // Whether something may yet happen by itself.
    hasScripts() {
      const isProgram = e => !e.type || /javascript|ecmascript|module/i.test(e.type);
      return [...document.scripts].some(isProgram) || all('iframe, frame').length > 0;
    },
    // Show that somebody is there: many a page keeps its scripts until a wheel turns or a key goes down.
    wake() {
      document.documentElement?.dispatchEvent(new WheelEvent('wheel', {bubbles: true, cancelable: true}));
    },
    height,
    scrollTo(y) {
      window.scrollTo({top: y, behavior: 'instant'});
      moveFixedBody(y);
    },
    // Until the page has been drawn, and so knows what is in view, however long that takes on a busy
    // machine; not for long if it isn't drawn at all.
    async drawn() {
      const drawing = new Promise(requestAnimationFrame).then(() => later(0)).then(() => true);
      const isDrawn = await Promise.race([drawing, later(known.patienceMs)]);
      known.patienceMs = isDrawn ? LONGEST_DRAWING_MS : UNDRAWN_MS;
    },
    // For so many milliseconds by the page's own timers: those that end before have then ended, too.
    linger: later,
    // Until the page has nothing to do at once, or always has.
    idle: () => new Promise(done => requestIdleCallback(done, {timeout: LONGEST_BUSY_MS})),

    // Keep the page from going elsewhere because of a press of ours (HTML 7.2.10.4, navigate event).
    stay() {
      reading.guard = event => {
        const isScroll = event.hashChange || !event.cancelable;
        const isHere = event.destination.sameDocument && new URL(event.destination.url).pathname === location.pathname;
        if (isScroll || isHere) return;
        event.preventDefault();
        reading.kept++;
      };
      navigation.addEventListener('navigate', reading.guard);
    },
    // Let it go where it likes again; how often it was kept.
    stayNoMore() {
      navigation.removeEventListener('navigate', reading.guard);
      return reading.kept;
    },
    // One step in every carousel; how many buttons could be pressed.
    pressNext() {
      const ready = reading.nexts.filter(isPressable);
      for (const e of ready) e.click();
      return ready.length;
    },
    // The first button that brings more, but the last one again only if it did; whether there was one.
    pressMore(isFruitful) {
      if (!isFruitful && reading.pressed) known.spent.add(reading.pressed);
      const isReady = e => !known.spent.has(e) && isPressable(e) && MORE.test(label(e));
      reading.pressed = reading.mores.find(isReady);
      reading.pressed?.click();
      return Boolean(reading.pressed);
    },
    // The next tab, or folded part that says so of itself, each once; whether there was one.
    pressTab() {
      const next = reading.tabs.find(e => !known.spent.has(e) && isPressable(e));
      if (!next) return false;
      known.spent.add(next);
      const before = next.closest('[role=tablist]')?.querySelector('[role=tab][aria-selected=true]');
      if (before && !known.spent.has(before)) reading.selected.add(before);
      next.click();
      return true;
    },
    // Show the tabs again that were shown at first.
    tabsBack() {
      for (const e of reading.selected) {
        known.spent.add(e);
        e.click();
      }
    },
    // How many scrollable parts haven't been scrolled to their end as it is now.
    openBoxes() {
      return openBoxes().length;
    },
    // One step in the scrollable parts that are in view, or else in the next one; how many aren't at their end.
    scrollBoxes() {
      const open = openBoxes();
      if (open.length && !open.some(isInView)) open[0].scrollIntoView({block: 'center', behavior: 'instant'});
      const inView = open.filter(isInView);
      for (const e of inView.length ? inView : open.slice(0, 1)) if (!stepBox(e)) known.ends.set(e, extent(e));
      return open.length;
    },
    // Bring this frame into the view of the page.
    show() {
      document.documentElement.scrollIntoView({behavior: 'instant'});
    },
    boxesBack() {
      for (const [e, [left, top]] of known.places) e.scrollTo({left, top, behavior: 'instant'});
    },
    // Start what plays, muted, and open what is folded; how many that weren't so before.
    start() {
      const counts = {media: 0, details: 0};
      each('details:not([open])', e => {
        e.open = true;
        counts.details++;
      });
      each('video, audio', e => {
        if (known.begun.has(e)) return;
        known.begun.add(e);
        e.muted = true;
        counts.media++;
        if (e.paused) e.play().catch(() => {});
      });
      return counts;
    },
    pause() {
      each('video, audio', e => e.pause());
    },
  };
})()

// What a reader would do. An expression: an object of functions that run in a world apart from the
// page's own scripts. `survey` looks for what there is to do and keeps it in `reading`; the others do
// one small step each, so that the browser and its driver stay in control between them.
(() => {
  const MOST_BOXES = 20;
  const MOST_BUTTONS = 10;
  const MOST_BANNERS = 10;
  const MOST_ROOTS = 2000;
  const STEP = 0.8;

  const NEXT = new RegExp(`^\\s*(${[
    'next( slide| image| photo| picture)?', 'forward', 'suivante?', 'siguiente', 'weiter', 'nächste[srn]?', 'avanti',
    'successiv[oa]', 'próxim[oa]', 'seguinte', 'volgende', 'następn[ya]', 'далее', 'следующ\\S*', 'вперед', 'вперёд',
    'sonraki', 'ileri', 'التالي', 'التالية', 'بعدی', 'הבא', '下一\\S{0,3}', '次へ', '次', '다음',
    '›', '»', '→', '❯', '>', '⟩', '▶', 'chevron_right', 'arrow_forward(_ios)?',
  ].join('|')})\\s*$`, 'i');
  const MORE = new RegExp([
    '(load|show|see|view|read) (more|all)', 'more (posts|comments|results|replies|items|stories|photos)',
    '(afficher|voir|charger|lire) (plus|la suite)', '(mehr|weitere\\S*) (laden|anzeigen|lesen)',
    '(cargar|ver|mostrar|leer) más', '(carregar|ver|mostrar) mais', '(carica|mostra|vedi) altr[oi]',
    '(показать|загрузить) (ещё|еще)', 'daha fazla', 'المزيد', '(نمایش|مشاهده) بیشتر', 'טען עוד',
    'もっと見る', 'さらに表示', '加载更多', '显示更多', '查看更多', '더 ?보기',
  ].join('|'), 'i');
  const CAROUSEL = /carousel|slider|slide|swiper|gallery|slick|splide|glide|flickity|lightbox|stories/i;
  const CONSENT = new RegExp([
    'cookie', 'consent', 'gdpr', 'privacy', 'datenschutz', 'einwilligung', 'confidentialité', 'privacidade?',
    'ملفات تعريف الارتباط', 'الخصوصية', 'куки', 'конфиденциальност', 'çerez', '隐私', 'プライバシー',
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
  const height = () => Math.max(root()?.scrollHeight || 0, document.body?.scrollHeight || 0);
  const isShown = e =>
    e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && e.getClientRects().length > 0;
  const isPressable = e =>
    e.isConnected && !e.disabled && e.getAttribute('aria-disabled') !== 'true' && isShown(e);
  const label = e => (e.getAttribute('aria-label') || e.innerText || e.title || '').trim().slice(0, 80);

  // Whether pressing it could lead elsewhere or send something: then it is left alone.
  const isHarmless = e => {
    const link = e.closest('a[href]');
    return !(link && !link.getAttribute('href').startsWith('#')) && !(e.closest('form') && e.type !== 'button');
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

  const boxes = () => {
    const found = [];
    each('*', e => {
      if (e === root() || e === document.body || found.length >= MOST_BOXES) return;
      const isTall = e.scrollHeight > e.clientHeight + 40 && e.clientHeight >= 80;
      const isWide = e.scrollWidth > e.clientWidth + 40 && e.clientWidth >= 120;
      if (!isTall && !isWide) return;
      const style = getComputedStyle(e);
      const moves = /auto|scroll/;
      if ((isTall && moves.test(style.overflowY)) || (isWide && moves.test(style.overflowX)))
        found.push({e, top: e.scrollTop, left: e.scrollLeft});
    });
    return found;
  };
  const buttons = () => {
    const found = {nexts: [], mores: []};
    each('button, [role=button], a', e => {
      const text = label(e);
      if (!text || !isPressable(e) || !isHarmless(e)) return;
      if (NEXT.test(text) && isWithin(e, CAROUSEL)) found.nexts.push(e);
      else if (MORE.test(text) && !isWithin(e, CONSENT)) found.mores.push(e);
    });
    return {nexts: found.nexts.slice(0, MOST_BUTTONS), mores: found.mores.slice(0, MOST_BUTTONS)};
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
  const count = selector => {
    let number = 0;
    each(selector, () => number++);
    return number;
  };

  return {
    // Counts of what there is to do, the page's size in CSS pixels, and consent banners.
    survey() {
      globalThis.reading = {boxes: boxes(), ...buttons(), kept: 0};
      return {
        view_px: innerHeight,
        height_px: height(),
        boxes: reading.boxes.length,
        nexts: reading.nexts.length,
        mores: reading.mores.length,
        media: count('video, audio'),
        details: count('details:not([open])'),
        banners: banners(),
      };
    },
    height,
    // The height once the page has been drawn, and so knows what is in view; without frames, soon.
    async drawnHeight() {
      const frame = () => new Promise(requestAnimationFrame);
      const drawn = frame().then(frame).then(() => new Promise(done => setTimeout(done)));
      await Promise.race([drawn, new Promise(done => setTimeout(done, 500))]);
      return height();
    },
    scrollTo(y) {
      window.scrollTo({top: y, behavior: 'instant'});
    },

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
    // The first button that brings more; whether there was one.
    pressMore() {
      const [first] = reading.mores.filter(isPressable);
      first?.click();
      return Boolean(first);
    },
    // One step in every scrollable part; how many moved.
    scrollBoxes() {
      const moved = reading.boxes.filter(({e}) => {
        const {scrollTop, scrollLeft} = e;
        const [top, left] = [scrollTop + STEP * e.clientHeight, scrollLeft + STEP * e.clientWidth];
        e.scrollTo({top, left, behavior: 'instant'});
        return e.scrollTop !== scrollTop || e.scrollLeft !== scrollLeft;
      });
      return moved.length;
    },
    boxesBack() {
      for (const {e, top, left} of reading.boxes) e.scrollTo({top, left, behavior: 'instant'});
    },
    // Start what plays, muted, and open what is folded; how many that weren't so before.
    start() {
      const counts = {media: 0, details: 0};
      const begun = globalThis.begun ??= new WeakSet();
      each('details:not([open])', e => {
        e.open = true;
        counts.details++;
      });
      each('video, audio', e => {
        if (begun.has(e)) return;
        begun.add(e);
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

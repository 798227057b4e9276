{
    /** What axe finds, a line a rule. */
    async runAxe(options) {
        const {violations} = await axe.run(document, {...options, preload: false, resultTypes: ["violations"]});
        return violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.target.join(" ")).join(" | ")}`);
    },

    openDetails() {
        document.querySelectorAll("details").forEach(details => { details.open = true; });
    },

    /** Elements wider than the page under a style sheet, outside a part that scrolls by itself. */
    tooWide(style) {
        const sheet = new CSSStyleSheet(), root = document.documentElement;
        sheet.replaceSync(style);
        document.adoptedStyleSheets = [sheet];
        const wide = root.scrollWidth <= root.clientWidth ? []
            : [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth);
        const found = wide.map(element => `too wide: ${element.tagName}.${element.className}`);
        document.adoptedStyleSheets = [];
        return found;
    },

    /**
     * Words on two lines, whose letters are not all at one height. A reference may be cut, and an address in a text; in
     * the agents' area, which is for large screens, addresses and names of files stand everywhere.
     */
    cutWords() {
        if (location.pathname.startsWith("/admin/")) return [];
        const allowed = ".visually-hidden, .stacked-table thead, code, .numeric, .prose .address";
        const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
        const found = [];
        while (texts.nextNode()) {
            const text = texts.currentNode;
            for (const word of text.parentElement.closest(allowed) ? [] : text.data.matchAll(/[\p{L}\d]{2,}/gu)) {
                const range = document.createRange();
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                const heights = new Set([...range.getClientRects()].map(line => Math.round(line.top)));
                if (heights.size > 1) found.push(`cut: ${word[0]}`);
            }
        }
        return found;
    },

    facts() {
        return {
            language: document.documentElement.lang,
            headings: document.querySelectorAll("h1").length,
            skips: [...document.querySelectorAll("h1, h2, h3, h4")].map(heading => Number(heading.tagName[1]))
                .filter((level, place, levels) => place && level > levels[place - 1] + 1),
            stored: localStorage.length + sessionStorage.length,
            inline: document.querySelectorAll("[style], style, script:not([src])").length,
        };
    },

    /** What a password manager goes by, and what tells two buttons apart. */
    passwords() {
        const passwords = [...document.querySelectorAll("input[type=password]")];
        const names = [...document.querySelectorAll("[data-toggle]:not([hidden])")].map(button => button.ariaLabel);
        return [
            ...passwords.filter(input => !input.form?.querySelector("[autocomplete=username]:not([type=hidden])"))
                .map(input => `no username beside ${input.name}`),
            ...names.filter((name, place) => names.indexOf(name) !== place).map(name => `two buttons "${name}"`),
        ];
    },

    /** Each line of the summary, and whether it leads to an input that is marked and says the same beside itself. */
    errors() {
        const summary = document.getElementById("erreurs");
        const explained = link => {
            const input = document.getElementById(link.hash.slice(1));
            if (!input) return false;
            const group = input.closest("fieldset.field");
            const ids = input.getAttribute("aria-describedby") || group?.getAttribute("aria-describedby") || "";
            const texts = ids.split(" ").map(id => document.getElementById(id)?.textContent ?? "");
            return input.getAttribute("aria-invalid") === "true" && texts.some(text => text.includes(link.textContent));
        };
        return {
            focused: document.activeElement === summary,
            unexplained: [...summary.querySelectorAll("a")].filter(link => !explained(link)).map(link => link.textContent),
            marked: document.querySelectorAll("[aria-invalid=true]").length > 0 || !summary.querySelector("a"),
        };
    },
}

/**
 * Stands in for CodeMirror until somebody opens a text field of Neuroglancer: that is 60 KB which no volume needs to be seen. The bundler puts
 * it in the place of `codemirror`; what was asked of it is done by the real one as soon as that has come.
 */

/** What Neuroglancer asks of an editor. */
interface Editor {
  getValue(): string;
  setValue(value: string): void;
  on(event: string, listener: () => void): void;
  refresh(): void;
  setOption(name: string, value: unknown): void;
  execCommand(name: string): void;
}

type Place = (element: HTMLElement) => void;
type Options = Readonly<Record<string, unknown>> & { readonly value?: string };
/** CodeMirror itself: makes editors, and is told of languages. */
type MakeEditor = ((place: Place, options: Options) => Editor) &
  Readonly<Record<string, ((...args: unknown[]) => unknown) | undefined>>;

/** What CodeMirror was told before it was there. */
const told: (readonly [name: string, args: readonly unknown[]])[] = [];
let coming: Promise<MakeEditor> | undefined;

function come(): Promise<MakeEditor> {
  coming ??= import('./editor-library.ts').then(({ CodeMirror }) => {
    const make = CodeMirror as unknown as MakeEditor; // of which we use no more than this
    for (const [name, args] of told) make[name]?.(...args);
    return make;
  });
  return coming;
}

class LateEditor implements Editor {
  readonly #wrapper = document.createElement('div');
  readonly #asked: ((editor: Editor) => void)[] = [];
  readonly #listeners: (readonly [event: string, listener: () => void])[] = [];
  #value: string;
  #editor: Editor | undefined;

  constructor(options: Options) {
    this.#value = options.value ?? '';
    void come().then((make) => {
      const editor = make((element) => this.#wrapper.append(element), { ...options, value: this.#value });
      this.#editor = editor;
      for (const ask of this.#asked) ask(editor);
      // Only now: what it was given is no change of its user's.
      for (const [event, listener] of this.#listeners) editor.on(event, listener);
      editor.refresh();
    });
  }

  #ask(what: (editor: Editor) => void): void {
    if (this.#editor === undefined) this.#asked.push(what);
    else what(this.#editor);
  }

  getWrapperElement(): HTMLElement {
    return this.#wrapper;
  }

  getValue(): string {
    return this.#editor?.getValue() ?? this.#value;
  }

  setValue(value: string): void {
    this.#value = value;
    this.#editor?.setValue(value);
  }

  on(event: string, listener: () => void): void {
    if (this.#editor === undefined) this.#listeners.push([event, listener]);
    else this.#editor.on(event, listener);
  }

  refresh(): void {
    this.#editor?.refresh();
  }

  setOption(name: string, value: unknown): void {
    this.#ask((editor) => editor.setOption(name, value));
  }

  execCommand(name: string): void {
    this.#ask((editor) => editor.execCommand(name));
  }
}

function makeEditor(_place: Place, options: Options): LateEditor {
  return new LateEditor(options);
}

/** What stands for the module's default export: calls of it make editors, its methods are kept for the real one. */
const lateCodeMirror = Object.assign(makeEditor, {
  Pos: (line: number, ch?: number): { readonly line: number; readonly ch: number | undefined } => ({ line, ch }),
  defineMode: (...args: unknown[]): void => void told.push(['defineMode', args]),
  defineMIME: (...args: unknown[]): void => void told.push(['defineMIME', args]),
});

export { lateCodeMirror as default };

/** Asks for the token that the server wants. */
import './ask-token.css';

/** @param why what the server said. @returns the token that was typed in. */
export function askToken(root: HTMLElement, why: string): Promise<string> {
  const page = make('main', 'token-page');
  const form = make('form', 'token-form');
  const reason = make('p', '', sentence(why));
  reason.setAttribute('role', 'alert');
  reason.id = 'token-reason';
  const label = make('label', 'page-field', 'Token');
  const input = make('input', '');
  // So that browsers keep it as what it is.
  input.type = 'password';
  input.autocomplete = 'current-password';
  input.required = true;
  input.setAttribute('aria-describedby', reason.id);
  label.append(input);
  const button = make('button', 'page-button page-go', 'Continue');
  const hint = make('p', 'token-hint', 'Whoever runs this server makes tokens with “bfly token”.');
  form.append(make('h1', '', 'A token is needed'), reason, label, button, hint);
  page.append(form);
  root.replaceChildren(page);
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const token = input.value.trim();
      if (token !== '') resolve(token);
    });
  });
}

function make<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, name: string, text = ''): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

/** What the server says is no sentence yet. */
function sentence(why: string): string {
  const text = why.charAt(0).toUpperCase() + why.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Asks for the token that the server wants. */
import './ask-token.css';

/** @param why what the server said. @returns the token that was typed in. */
export function askToken(root: HTMLElement, why: string): Promise<string> {
  const form = document.createElement('form');
  form.className = 'token-form';
  const title = document.createElement('h1');
  title.textContent = 'A token is needed';
  const reason = document.createElement('p');
  reason.setAttribute('role', 'alert');
  reason.textContent = why;
  const label = document.createElement('label');
  label.textContent = 'Token';
  const input = document.createElement('input');
  // So that browsers keep it as what it is.
  input.type = 'password';
  input.autocomplete = 'current-password';
  input.required = true;
  label.append(input);
  const hint = document.createElement('p');
  hint.textContent = 'Whoever runs this server makes tokens with “bfly token”.';
  const button = document.createElement('button');
  button.textContent = 'Continue';
  form.append(title, reason, label, button, hint);
  root.replaceChildren(form);
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const token = input.value.trim();
      if (token !== '') resolve(token);
    });
  });
}

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Console } from './app/Console';
import './app/styles.css';

const root = document.getElementById('root');
if (root === null) {
  throw new Error('the page has no place for the console');
}
createRoot(root).render(
  <StrictMode>
    <Console />
  </StrictMode>,
);

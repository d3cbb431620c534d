/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The service that `npm run dev` and `npm run preview` pass API calls to. */
const service = process.env.FIRN_URL ?? 'http://127.0.0.1:8080';
const proxy = Object.fromEntries(
  ['/v1', '/api', '/docs', '/openapi.json', '/console/service.json'].map((path) => [path, { target: service }]),
);

export default defineConfig({
  base: '/console/',
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy },
  preview: { proxy },
  build: {
    // Below dist/, which is in git, so that cargo can watch it before anything is built.
    outDir: 'dist/console',
    emptyOutDir: true,
    manifest: 'manifest.json',
    target: 'es2023',
    // No data: URLs but what the content security policy lets in: images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  test: { include: ['src/**/*.test.ts'] },
});

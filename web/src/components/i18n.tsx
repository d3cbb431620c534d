/** Two languages: catalogues of messages, typed by the Chinese one. */
import { createContext, useContext, useMemo } from 'react';

export type Language = 'zh' | 'en';

/** The catalogue of the other language has the same keys, or does not compile. */
export type Translation<Messages> = { readonly [Key in keyof Messages]: string };

/** Names in braces of a message. */
type Holes<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Holes<Rest> : never;
type Fillings<Text> = [Holes<Text>] extends [never] ? [] : [fillings: Record<Holes<Text>, string | number>];

/** `t('total', { count: 6 })`: the message of a key with its holes filled. */
export type Translate<Messages> = <Key extends keyof Messages>(key: Key, ...fillings: Fillings<Messages[Key]>) => string;

export function fill(text: string, fillings: Record<string, string | number> = {}): string {
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => String(fillings[name] ?? hole));
}

export const LanguageContext = createContext<{ language: Language; choose: (language: Language) => void }>({
  language: 'zh',
  choose: () => undefined,
});

export function useLanguage() {
  return useContext(LanguageContext);
}

/** The messages of a feature in the language that is chosen: `const t = useMessages({ zh, en })`. */
export function useMessages<Messages>(catalogue: { zh: Messages; en: Translation<Messages> }): Translate<Messages> {
  const { language } = useLanguage();
  const { zh, en } = catalogue;
  return useMemo(() => {
    const messages: Translation<Messages> = language === 'zh' ? (zh as Translation<Messages>) : en;
    return (key, ...[fillings]) => fill(messages[key], fillings);
  }, [language, zh, en]);
}

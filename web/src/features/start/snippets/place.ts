/** Where a program connects, as whom, and what it uses there. */
export interface Place {
  /** `http://host:port` of the HTTP API. */
  http: string;
  /** `host:port` of the gRPC port. */
  grpc: string;
  instance: string;
  accessKey: string;
  secretKey: string;
  topic: string;
  group: string;
}

export interface Snippet {
  key: string;
  /** Name of the tab. */
  title: string;
  /** How the library is had; nothing for what is there already. */
  install?: string;
  /** Name of the file that the program is in. */
  file?: string;
  code: string;
}

/** A text for a shell, whatever is in it. */
export function shell(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text in quotes as JavaScript, Java, Go, Python and Rust read it. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

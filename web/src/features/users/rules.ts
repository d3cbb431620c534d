/** What may be entered, as the service checks it too: mistakes are told before they are sent. */
import type { Schemas } from '@/api/shared';

export const NAME = /^[A-Za-z0-9_-]{1,64}$/;
export const SECRET = /^[!-~]{1,128}$/;
const DESCRIPTION_BYTES_MAX = 512;

export function isDescription(text: string): boolean {
  return new TextEncoder().encode(text).length <= DESCRIPTION_BYTES_MAX;
}

export interface Right {
  topic: string;
  send: boolean;
  receive: boolean;
}

/** What a user that is bound to topics may do with them: what these allow at all. */
export function topicRights(bound: readonly string[], topics: readonly Schemas['TopicJson'][]): Right[] {
  const permissions = new Map(topics.map(({ name, permission }) => [name, permission]));
  return bound.map((topic) => {
    const permission = permissions.get(topic);
    return {
      topic,
      send: permission === 'readWrite' || permission === 'write',
      receive: permission === 'readWrite' || permission === 'read',
    };
  });
}

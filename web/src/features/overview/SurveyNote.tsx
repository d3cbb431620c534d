import { Alert } from 'antd';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { en } from './en';
import type { Survey } from './survey';
import { zh } from './zh';

interface Props {
  of: 'groups' | 'topics';
  /** `undefined` until the first is done. */
  survey: Pick<Survey<unknown>, 'asked' | 'total'> | undefined;
  at: number;
  text?: string;
}

/** Of when the counts are, and of how many when not of all. */
export function SurveyNote({ of, survey, at, text }: Props) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  if (survey === undefined) {
    return null;
  }
  const { asked, total } = survey;
  const when = t('survey.at', { time: second(at) });
  return (
    <>
      {asked < total && <Alert type="warning" showIcon title={t(`survey.${of}`, { asked, total })} />}
      <p>{text === undefined ? when : `${text} · ${when}`}</p>
    </>
  );
}

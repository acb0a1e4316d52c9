/** Approval of a site: only with the whole fingerprint, as somebody at the site has read it out. */
import { Stack, Text, Textarea } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Dialog } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { announce } from '../common/notice.tsx';
import { compareFingerprint, type Comparison } from './fingerprint.ts';

const comparisonText: Readonly<Record<Comparison, string>> = {
  none: '',
  short: 'So far it is the same.',
  same: 'It is the same: this is the site that enrolled.',
  differs:
    'It is not what enrolled. Do not approve: somebody else may have used the code. Make a new code, and have the site enrol with that.',
};

/** Approve a site. */
export function ApproveDialog(props: {
  readonly site: string;
  readonly fingerprint: string;
  readonly onClose: () => void;
}) {
  const { site, fingerprint, onClose } = props;
  const [typed, setTyped] = useState('');
  const { isBusy, failure, run } = useRun();
  const comparison = compareFingerprint(typed, fingerprint);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (comparison !== 'same') return;
    run(async () => {
      await send(
        request('POST', '/v1/sites/{site}/approve', answerOfCommand, {
          path: { site },
          body: { fingerprint },
        }),
      );
      await live.look();
      announce(`${site} is approved: it may take part.`);
      onClose();
    });
  };
  return (
    <Dialog title={`Approve ${site}?`} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text size="sm">
            Ask somebody at the site, by another way than this network, for the fingerprint that
            &ldquo;melo agent enroll&rdquo; printed there, and enter it as it is read out.
          </Text>
          <Textarea
            label={`Fingerprint as ${site} reads it out`}
            description="64 hexadecimal digits, in groups or not."
            required
            rows={2}
            maxLength={200}
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            {...(comparison === 'differs' ? { error: comparisonText.differs } : {})}
          />
          <Text size="sm" role="status">
            {comparison === 'differs' ? '' : comparisonText[comparison]}
          </Text>
          <FormEnd
            failure={failure}
            isBusy={isBusy}
            isReady={comparison === 'same'}
            verb="Approve it"
            onCancel={onClose}
          />
        </Stack>
      </form>
    </Dialog>
  );
}

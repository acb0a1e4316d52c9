/** A task that has ended is run again: from which version, for how many rounds, and why. */
import { SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { live } from '../api/live.ts';
import { answerOfCommand, type Task } from '../api/schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Dialog } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { plural } from '../common/format.ts';
import { announce } from '../common/notice.tsx';
import { changeTask } from './change-task.ts';

const reasonMax = 500;
const roundsMax = 10_000;

/** A whole number between two bounds; undefined where the text is none. */
function wholeNumber(text: string, least: number, most: number): number | undefined {
  const value = /^\d{1,5}$/.test(text.trim()) ? Number(text) : NaN;
  return value >= least && value <= most ? value : undefined;
}

/** A task that has ended is run again. */
export function RerunDialog(props: { readonly task: Task; readonly onClose: () => void }) {
  const { task, onClose } = props;
  const { latestVersion } = task;
  const [from, setFrom] = useState(String(latestVersion));
  const [more, setMore] = useState('1');
  const [reason, setReason] = useState('');
  const { isBusy, failure, run } = useRun();
  const fromVersion = wholeNumber(from, 0, latestVersion);
  const rounds = wholeNumber(more, 1, roundsMax);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (fromVersion === undefined || rounds === undefined) return;
    run(async () => {
      await changeTask(task, (path, ifRevision) => {
        const body = { fromVersion, rounds, reason: reason.trim(), ifRevision };
        return request('POST', '/v1/tasks/{task}/rerun', answerOfCommand, { path, body });
      });
      await live.look();
      announce(`${task.task} runs again: ${plural(rounds, 'round')} from version ${fromVersion}.`);
      onClose();
    });
  };
  return (
    <Dialog title={`Run ${task.task} again?`} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text size="sm">
            More rounds are made, with the same definition. Versions that are there stay; which one
            is to be used does not change.
          </Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
            <TextInput
              label="From version"
              description={`0 to ${latestVersion}, the newest.`}
              inputMode="numeric"
              required
              value={from}
              onChange={(event) => setFrom(event.currentTarget.value)}
            />
            <TextInput
              label="Rounds to make"
              description="Each makes a version."
              inputMode="numeric"
              required
              value={more}
              onChange={(event) => setMore(event.currentTarget.value)}
            />
          </SimpleGrid>
          <Textarea
            label="Reason"
            description="It stays in the audit log."
            required
            maxLength={reasonMax}
            rows={2}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <FormEnd
            failure={failure}
            isBusy={isBusy}
            isReady={fromVersion !== undefined && rounds !== undefined && reason.trim() !== ''}
            verb="Run it again"
            onCancel={onClose}
          />
        </Stack>
      </form>
    </Dialog>
  );
}

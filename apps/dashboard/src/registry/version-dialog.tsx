/** One version: its lineage, its card, and what can be done with it. */
import { Button, Group, Text } from '@mantine/core';
import { request } from '#api';
import { send } from '../api/client.ts';
import { useFresh, versionRequest } from '../api/resources.ts';
import { answerOfCommand, type Task, type Version } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import { Dialog, DialogButtons } from '../common/dialog.tsx';
import { Digest, Facts } from '../common/facts.tsx';
import { formatBytes } from '../common/format.ts';
import { Waiting } from '../common/panel.tsx';
import { useMay } from '../session/access.ts';
import { changeTask } from '../tasks/change-task.ts';
import { maybeReason } from '../tasks/task-actions.tsx';
import { DownloadLinks } from './download-link.tsx';

const promoteTo = (looked: Task, version: number | null, reason: string) =>
  changeTask(looked, (path, ifRevision) =>
    request('POST', '/v1/tasks/{task}/promote', answerOfCommand, {
      path,
      body: { version, ...maybeReason(reason), ifRevision },
    }),
  );

function actionsOf(task: Task, { version }: Version) {
  const name = task.task;
  // Of the same reading as the revision that is sent: the list of versions is another one.
  const isPromoted = task.promotedVersion === version;
  const hasEnded = task.status === 'finished' || task.status === 'failed';
  const canGoBack = version < task.latestVersion && task.status !== 'cancelled';
  const promote: Action = {
    label: 'Promote',
    title: `Promote version ${version} of ${name}?`,
    explanation: `People are told to use version ${version} from now on. Training goes on where it is.`,
    verb: 'Promote it',
    reason: 'optional',
    run: (reason) => promoteTo(task, version, reason),
    done: `Version ${version} of ${name} is the one to use.`,
  };
  const demote: Action = {
    label: 'Take the promotion back',
    title: `Take back that version ${version} of ${name} is the one to use?`,
    explanation: 'No version is promoted then.',
    verb: 'Take it back',
    reason: 'optional',
    run: (reason) => promoteTo(task, null, reason),
    done: `No version of ${name} is promoted now.`,
  };
  const rollBack: Action = {
    label: 'Roll back to it',
    title: `Roll ${name} back to version ${version}?`,
    explanation: `Version ${version} is promoted, and the next round starts from it. Later versions stay and are built on no more.${hasEnded ? ' The task runs again: its members train the rounds that its plan has after this version, one at least.' : ''}`,
    verb: 'Roll back',
    reason: 'required',
    isGrave: true,
    run: (reason) =>
      changeTask(task, (path, ifRevision) =>
        request('POST', '/v1/tasks/{task}/rollback', answerOfCommand, {
          path,
          body: { toVersion: version, reason, ifRevision },
        }),
      ),
    done: `${name} goes on from version ${version}.`,
  };
  const evaluate: Action = {
    label: 'Evaluate',
    title: `Have version ${version} of ${name} evaluated?`,
    explanation:
      'Every member is asked to measure it on its held-out images within a day; a site’s own policy may decline.',
    verb: 'Ask the sites',
    reason: 'optional',
    run: (reason) => {
      const body = { versions: [version], ...maybeReason(reason) };
      return send(
        request('POST', '/v1/tasks/{task}/evaluation-requests', answerOfCommand, {
          path: { task: name },
          body,
        }),
      );
    },
    done: `The sites were asked to evaluate version ${version} of ${name}.`,
  };
  return {
    train: [evaluate],
    administer: [isPromoted ? demote : promote, ...(canGoBack ? [rollBack] : [])],
  };
}

function Details({ task, version }: { readonly task: string; readonly version: number }) {
  const { data, error } = useFresh(versionRequest(task, version), ['versions']);
  if (data === undefined) return <Waiting error={error} />;
  return (
    <>
      <Facts
        facts={[
          ['Made', <Ago key="made" timeMs={data.createdAtMs} />],
          [
            'From',
            data.round === null
              ? 'the public seed'
              : `round ${data.round}, attempt ${data.attempt ?? 1}, on version ${data.baseVersion ?? '–'}`,
          ],
          ['Method', data.resultPayload?.method],
          ['Size', formatBytes(data.adapterBytes)],
          ['Digest of the file', <Digest key="file" value={data.adapterDigest} />],
          [
            'Digest of its result',
            data.resultDigest === null ? undefined : (
              <Digest key="result" value={data.resultDigest} />
            ),
          ],
        ]}
      />
      <details>
        <summary>Its card, as it stands in the file</summary>
        <pre className="source" tabIndex={0}>
          {JSON.stringify(data.card, null, 2)}
        </pre>
      </details>
    </>
  );
}

/** One version. */
export function VersionDialog(props: {
  readonly task: Task;
  readonly version: Version;
  readonly onClose: () => void;
}) {
  const { task, version, onClose } = props;
  const mayTrain = useMay('train');
  const mayAdminister = useMay('administer');
  const { train, administer } = actionsOf(task, version);
  const actions = [...(mayAdminister ? administer : []), ...(mayTrain ? train : [])];
  return (
    <Dialog title={`Version ${version.version} of ${task.task}`} onClose={onClose}>
      <Details task={task.task} version={version.version} />
      <Text size="xs" c="dimmed">
        For investigational use only; not a medical device.
      </Text>
      <Group gap="xs">
        <DownloadLinks task={task.task} version={version.version} />
        {actions.map((action) => (
          <ActionButton key={action.label} action={action} />
        ))}
      </Group>
      <DialogButtons>
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
      </DialogButtons>
    </Dialog>
  );
}

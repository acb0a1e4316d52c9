/** Every site, and the way for a new one to come in. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { PageTitle } from '../common/page-title.tsx';
import { useMay } from '../session/access.ts';
import { InviteDialog } from './invite-dialog.tsx';
import { SitesPanel } from './sites-panel.tsx';

/** Every site. */
export function SitesPage() {
  const [isInviting, setIsInviting] = useState(false);
  const mayInvite = useMay('administer');
  return (
    <>
      <PageTitle
        title="Sites"
        note="A site is a hospital with its agent: images stay there, adapters leave it."
        aside={
          mayInvite && (
            <Button size="compact-sm" onClick={() => setIsInviting(true)}>
              Invite a site
            </Button>
          )
        }
      />
      <SitesPanel title="Every site" />
      {isInviting && <InviteDialog onClose={() => setIsInviting(false)} />}
    </>
  );
}

// A small app as somebody writes it with the React packages: it joins, shows who is there and what is said, and sends.
// On the right it has the same chat as the kit's component shows it.

import { createRoot } from 'react-dom/client';
import { useRef, useState } from 'react';
import {
  RealtimeKitProvider,
  useRealtimeKitClient,
  useRealtimeKitMeeting,
  useRealtimeKitSelector,
} from '@cloudflare/realtimekit-react';
import { RtkChat, RtkUiProvider } from '@cloudflare/realtimekit-react-ui';

function App() {
  const [meeting, initMeeting] = useRealtimeKitClient();
  const [error, setError] = useState('');

  const enter = async (event) => {
    event.preventDefault();
    const { baseURI, authToken } = Object.fromEntries(new FormData(event.target));
    try {
      const joining = await initMeeting({ baseURI, authToken });
      await joining.join();
    } catch (reason) {
      setError(reason.message);
    }
  };

  const door = (
    <form onSubmit={enter}>
      <input name="baseURI" placeholder="base" />
      <input name="authToken" placeholder="token" />
      <button>Join</button>
      <p role="alert">{error}</p>
    </form>
  );
  return (
    <RealtimeKitProvider value={meeting} fallback={door}>
      <Meeting />
    </RealtimeKitProvider>
  );
}

function Meeting() {
  const { meeting } = useRealtimeKitMeeting();
  const joined = useRealtimeKitSelector(({ self }) => self.roomJoined);
  const state = useRealtimeKitSelector(({ self }) => self.roomState);
  const title = useRealtimeKitSelector(({ meta }) => meta.meetingTitle);
  const others = useRealtimeKitSelector(({ participants }) => participants.joined);
  // A copy: the SDK puts an edited message into the list it has, which the hook takes for no change.
  const messages = useRealtimeKitSelector(({ chat }) => [...chat.messages]);
  const box = useRef();

  if (!joined) return <p>{state === 'left' ? 'You have left.' : 'Joining …'}</p>;

  const send = async (event) => {
    event.preventDefault();
    await meeting.chat.sendTextMessage(box.current.value);
    box.current.value = '';
  };

  return (
    <main>
      <section>
        <h1>{title}</h1>
        <p>
          {meeting.self.name}
          {others.toArray().map(({ id, name }) => (
            <span key={id} className="other">, {name}</span>
          ))}
        </p>
        <ol>
          {messages.map(({ id, displayName, message, isEdited }) => (
            <li key={id}>
              <b>{displayName}</b> <span className="text">{message}</span> {isEdited && <i>edited</i>}
            </li>
          ))}
        </ol>
        <form onSubmit={send}>
          <input ref={box} aria-label="message" />
          <button>Send</button>
          <button type="button" onClick={() => meeting.leave()}>
            Leave
          </button>
        </form>
      </section>
      <RtkUiProvider meeting={meeting}>
        <RtkChat />
      </RtkUiProvider>
    </main>
  );
}

createRoot(document.getElementById('app')).render(<App />);

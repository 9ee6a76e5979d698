//! Parses the body of a request that changes the state of a server: a JSON object.

/// The requested state of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// The state in the configuration.
    Up,
    /// Draining.
    Drain,
    /// Down.
    Down,
}

impl Target {
    /// Returns the name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Target::Up => "up",
            Target::Drain => "drain",
            Target::Down => "down",
        }
    }
}

/// The change that a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change<'a> {
    /// The requested state.
    pub target: Target,
    /// The time for which the state lasts, in nginx's notation; `None` if it lasts until it is changed.
    pub duration: Option<&'a [u8]>,
}

/// The body is not one of the known objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Nonsense;

/// The value of a member of an object.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a [u8]),
    Flag(bool),
}

impl<'a> Change<'a> {
    /// Parses `{"state":"up"|"drain"|"down","for":"30m"}` or `{"drain":true|false}`, with members in any order and
    /// white space where JSON allows it. Unknown or repeated members are rejected, and so are strings with an escape,
    /// which none of the accepted strings needs.
    ///
    /// # Errors
    ///
    /// Returns an error for any other text.
    pub fn read(body: &'a [u8]) -> Result<Self, Nonsense> {
        let mut text = Text(body);
        let (mut state, mut duration, mut drain) = (None, None, None);
        text.expect(b'{')?;
        loop {
            let name = text.string()?;
            text.expect(b':')?;
            let before = match (name, text.value()?) {
                (b"state", Value::Text(word)) => state.replace(target(word)?).is_some(),
                (b"for", Value::Text(time)) => duration.replace(time).is_some(),
                (b"drain", Value::Flag(is_on)) => drain.replace(is_on).is_some(),
                _ => return Err(Nonsense),
            };
            if before {
                return Err(Nonsense);
            }
            match text.next() {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(Nonsense),
            }
        }
        if text.next().is_some() {
            return Err(Nonsense);
        }
        match (state, duration, drain) {
            (Some(Target::Up), Some(_), None) => Err(Nonsense),
            (Some(target), duration, None) => Ok(Change { target, duration }),
            (None, None, Some(is_on)) => Ok(Change {
                target: if is_on { Target::Drain } else { Target::Up },
                duration: None,
            }),
            _ => Err(Nonsense),
        }
    }
}

fn target(word: &[u8]) -> Result<Target, Nonsense> {
    [Target::Up, Target::Drain, Target::Down]
        .into_iter()
        .find(|target| target.as_str().as_bytes() == word)
        .ok_or(Nonsense)
}

/// The part of a text that has not been parsed yet.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn skip_white_space(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.0.split_first() {
            self.0 = rest;
        }
    }

    /// Takes the next byte, skipping white space.
    fn next(&mut self) -> Option<u8> {
        self.skip_white_space();
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Nonsense> {
        if self.next() == Some(byte) {
            Ok(())
        } else {
            Err(Nonsense)
        }
    }

    /// Takes a string of visible ASCII and spaces, without escapes.
    fn string(&mut self) -> Result<&'a [u8], Nonsense> {
        self.expect(b'"')?;
        let end = self
            .0
            .iter()
            .position(|byte| *byte == b'"')
            .ok_or(Nonsense)?;
        let (string, rest) = self.0.split_at_checked(end).ok_or(Nonsense)?;
        self.0 = rest.get(1..).ok_or(Nonsense)?;
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
        string
            .iter()
            .all(is_plain)
            .then_some(string)
            .ok_or(Nonsense)
    }

    fn value(&mut self) -> Result<Value<'a>, Nonsense> {
        self.skip_white_space();
        for (word, flag) in [(&b"true"[..], true), (b"false", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(Value::Flag(flag));
            }
        }
        self.string().map(Value::Text)
    }
}

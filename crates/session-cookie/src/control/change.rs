//! What a request asks for: the two words of a JSON object.

/// What a server is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// What the configuration says.
    Up,
    /// Draining.
    Drain,
    /// Down.
    Down,
}

impl Target {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Target::Up => "up",
            Target::Drain => "drain",
            Target::Down => "down",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change<'a> {
    /// What the server is to be.
    pub target: Target,
    /// For how long, as nginx writes times; `None`: until somebody says otherwise.
    pub duration: Option<&'a [u8]>,
}

/// It is none of the objects that are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Nonsense;

/// A value of an object.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a [u8]),
    Flag(bool),
}

impl<'a> Change<'a> {
    /// Reads `{"state":"up"|"drain"|"down","for":"30m"}` or `{"drain":true|false}`, with members in any order and white
    /// space where JSON allows it. Members that are unknown or given twice are refused, and so are texts with an escape:
    /// none of these words needs one.
    ///
    /// # Errors
    ///
    /// It is anything else.
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

/// What is left of a text.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn skip_white_space(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.0.split_first() {
            self.0 = rest;
        }
    }

    /// Takes the next byte that is no white space.
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

# sign: timestamps that clients cannot edit. A value is accepted only if a key of this proxy has signed exactly this
# value for this cookie; any other value is forged and is ignored.
#
# KEYS stands for parameters with a file with one key, TWO for one with two. A:, B:, C: and D: are servers; D is unreachable
# (lib/Upstreams.pm). X-Verdict contains the verdict; counts() checks the log, the variables and the counters
# (lib/Counted.pm).

use Sticky qw(Counted Keys Status Upstreams Visits);
use Digest::MD5 'md5_hex';

key_file('one', $key[0]);
key_file('two', @key[1, 0]);

client_sections();
counted_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s{\bKEYS\b}{key_file=$keys/one}gr =~ s{\bTWO\b}{key_file=$keys/two}gr;
    $block->set_value(upstreams => $upstreams);
    $block->set_value(locations => ($block->locations // '') . <<'_EOC_');
add_header X-Verdict $session_sticky_verdict always;
location /status/ { session_sticky_status; access_log off; }
_EOC_
});

# The value of a session of A, signed with these keys; $last and $first are the seconds since its last and first request.
sub value {
    my ($last, $first, @keys) = @_;
    my $now = time;
    return signed('route', join('|', $id{A}, $now - $last, $now - $first), @keys ? @keys : $key[0]);
}

# The value with another last digit.
sub spoilt { my ($value) = @_; return $value =~ s/(.)\z/$1 eq 'A' ? 'B' : 'A'/er }

sub verdict { my ($path, $value) = @_; return head('X-Verdict', visit($path, "route=$value", 1983)) }

# Whether a value is a session of A that began at $first, signed with these keys.
sub is_of_A {
    my ($value, $first, @keys) = @_;
    my ($last) = $value =~ /^$id{A}\|(\d{10})\|$first\|/ or return 0;
    return abs(time - $last) <= patience() && $value eq signed('route', "$id{A}|$last|$first", @keys);
}

no_shuffle();
run_tests();

__DATA__

=== a value ends with a signature, or with two if there are two keys
--- upstreams
upstream one   { session_sticky KEYS sign maxidle=1h; server A:; }
upstream two   { session_sticky TWO sign maxlife=1h; server A:; }
upstream plain { session_sticky KEYS sign maxidle=1h hash=plain; server A: id=a; }
upstream keyed { session_sticky TWO sign maxidle=1h hash=hmac; server A:; }
upstream other { session_sticky cookie=other KEYS sign maxidle=1h; server A:; }
upstream text  { session_sticky cookie=text KEYS sign maxidle=1h domain=$host path=/$arg_path maxage=1h httponly samesite=lax attr=x; server A:; }
--- client
my %wanted = (one => [$id{A}, $key[0]], two => [$id{A}, @key[1, 0]], plain => ['a', $key[0]], keyed => [key_ids('A', @key[1, 0]), @key[1, 0]],
              other => [$id{A}, $key[0]], text => [$id{A}, $key[0]]);
for my $path (sort keys %wanted) {
    my $response = counts_of(sub { visit("/$path/?path=p", undef, 1983) }, "$path new/none/inserted A", "a first visit of $path");
    my ($name, $value) = set($response) =~ /^(\w+)=([^;]*)/;
    my ($id, @keys) = @{$wanted{$path}};
    my ($text) = $value =~ /^(\Q$id\E\|(\d{10})\|\g2)\|/;
    equals($value, signed($name, $text // 'what?', @keys), "$path: the value");
    holds($value =~ /\|[\w-]{22}(?:\.[\w-]{22})?\z/, 'the signature has 22 digits for each key');
    my $earlier = time - 10;
    counts("/$path/", "$name=" . signed($name, "$id|$earlier|$earlier", @keys), "$path bound/valid/updated A");
}
my $attributes = set(counts('/text/?path=p', undef, 'text new/none/inserted A')) =~ s/[^;]*; //r =~ s/Expires=[^;]*/Expires/r;
equals($attributes, 'Domain=localhost; Path=/p; Max-Age=3600; Expires; HttpOnly; SameSite=Lax; x', 'the attributes follow the value');
--- may_warn
is also that of upstream
--- timeout: 30



=== a value with any byte changed is rejected
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h maxlife=2h; server A:; server B:; }
upstream v { session_sticky TWO sign maxidle=1h hash=plain accept=md5; server A: id=a; server B: id=b; }
--- client
my %followed;
for my $case (['/u/', value(10, 100)], ['/v/', value(10, 100, @key[1, 0])]) {
    my ($path, $value) = @$case;
    equals(verdict($path, $value), 'valid', 'the unchanged value is valid');
    my @changed;
    for my $at (0 .. length($value) - 1) {
        my $byte = substr $value, $at, 1;
        for my $other (chr(ord($byte) ^ 1), chr(ord($byte) ^ 32), qw(| . ~ 0 9 a A - _)) {
            next if $other eq $byte || $other !~ /[!#-+\--:<-\[\]-~]/;
            push @changed, substr($value, 0, $at) . $other . substr($value, $at + 1);
        }
        push @changed, substr($value, 0, $at) . substr($value, $at + 1), substr($value, 0, $at), substr($value, $at + 1),
            substr($value, 0, $at) . $byte . substr($value, $at);
    }
    push @changed, map { ("$value$_", "$_$value") } qw(| . ~ 0 A =), '==';
    # One of two signatures suffices: the other may be made with a key that this proxy does not have.
    my ($text, $one, $two) = $value =~ /\A(.*\|)([\w-]{22})(?:\.([\w-]{22}))?\z/;
    @changed = grep { !/\A\Q$text\E(?:$one(?:\..{22})?|.{22}\.$two)\z/ } @changed if $two;
    my %verdict;
    for my $changed (@changed) {
        my $verdict = verdict($path, $changed);
        $verdict{$verdict}++;
        push @{$followed{$path}}, $changed if $verdict !~ /^(?:forged|invalid)\z/;
    }
    equals(CORE::join(' ', @{$followed{$path} // []}), '', scalar(@changed) . " changes of $value");
    holds($verdict{forged} > @changed / 2, 'most are forged');
}
begin_anew();



=== the last digit of a signature has unused bits: only one text is accepted
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h; server A:; server B:; }
--- client
use MIME::Base64 'decode_base64url';
my $value = value(10, 100);
my ($text, $mac) = $value =~ /\A(.*\|)([\w-]{22})\z/;
my @same = grep { decode_base64url($_) eq decode_base64url($mac) } map { substr($mac, 0, 21) . $_ } 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
equals(scalar(@same), 16, '16 texts decode to the same signature');
equals(CORE::join(' ', grep { verdict('/u/', "$text$_") ne 'forged' } @same), $mac, 'only the original is accepted');
equals(verdict('/u/', "$value$_"), 'invalid', "with padding: $_") for '=', '==';
begin_anew();



=== a value cannot be signed without the key
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h; server A:; server D: down; }
--- client
my $now = time;
my $text = "$id{A}|$now|" . ($now - 100);
my %forged = (
    'no signature' => $text, 'no signature, and no stamps' => $id{A},
    'another key' => signed('route', $text, $key[1]), 'two other keys' => signed('route', $text, @key[1, 2]),
    'another cookie' => signed('other', $text, $key[0]), 'no cookie' => signed('', $text, $key[0]),
    'another session' => "$text|" . mac($key[0], 'route', "$id{B}|$now|" . ($now - 100)),
    'an earlier one' => "$text|" . mac($key[0], 'route', "$id{A}|" . ($now - 1) . '|' . ($now - 100)),
    'a session of another server' => signed('route', "$id{D}|$now|$now", $key[2]),
    'an empty one' => "$text|", 'zeros' => "$text|" . 'A' x 22, 'the id by the key' => "$text|" . substr(key_id($key[0], 'A'), 0, 22),
    'twice the same, and both wrong' => "$text|" . CORE::join('.', (mac($key[1], 'route', $text)) x 2),
);
for my $what (sort keys %forged) {
    my $response = counts('/u/', "route=$forged{$what}", 'u new/forged/inserted A');
    my $value = bound($response);
    my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
    holds(is_of_A($value, $first, $key[0]) && $first >= $now, "$what: a new session begins");
}
my $value = value(10, 100);
counts('/u/', "route=$value", 'u bound/valid/updated A');
counts('/u/', "route=\"$value\"", 'u bound/valid/updated A');
counts('/u/', "route=\"$value", 'u new/forged/inserted A');
counts('/u/', "route=" . $value =~ s/(.*\|)/"$1"/r, 'u new/invalid/inserted A');
--- timeout: 30



=== the error log has the verdict and the ID
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h; server A:; }
--- client
counts('/u/', "route=$id{A}|1|1|" . 'x' x 22, 'u new/forged/inserted A');
--- error_log eval
qr/session_sticky: cookie "route" for upstream "u" is forged, id "[0-9a-f]{32}"/



=== a forged cookie is a first visit with any fallback=, and does not select the server that it names
--- upstreams
upstream off     { session_sticky KEYS sign maxidle=1h fallback=off; server A:; server B: down; }
upstream unknown { session_sticky KEYS sign maxidle=1h fallback=unknown; server A:; server B: down; }
upstream kept    { session_sticky KEYS sign maxidle=1h rebind=off; server A:; server B: down; }
upstream two     { session_sticky KEYS sign maxidle=1h; server A:; server B: weight=1000; }
--- locations
location /strict/ { sticky_no_fallback; proxy_pass http://two/; }
--- client
my $now = time;
for my $id ($id{B}, 'nobody') {
    for my $mac ('', '|' . 'x' x 22) {
        my $value = "$id|$now|$now$mac";
        counts("/$_/", "route=$value", "$_ new/forged/inserted A") for qw(off unknown kept);
        equals(status(visit('/strict/', "route=$value", 1983)), '200', 'sticky_no_fallback');
    }
}
my $b = signed('route', "$id{B}|$now|$now", $key[0]);
counts('/off/', "route=$b", 'off refused/down/none B?');
counts('/unknown/', "route=$b", 'unknown refused/down/none B?');
my $kept = bound(counts('/kept/', 'route=' . signed('route', "$id{B}|" . ($now - 10) . "|$now", $key[0]), 'kept lent/down/updated A, away B'));
holds($kept =~ /^($id{B}\|\d{10}\|$now)\|/ && $kept eq signed('route', $1, $key[0]), 'the cookie of a session served by another server is signed again');
my $nobody = signed('route', "nobody|$now|$now", $key[0]);
counts('/off/', "route=$nobody", 'off refused/unknown/none -');
counts('/unknown/', "route=$nobody", 'unknown new/unknown/inserted A');
my %servers = map { body(visit('/two/', "route=$id{A}|$now|$now|" . 'x' x 22, 1983)) => 1 } 1 .. 20;
holds($servers{B}, 'the load-balancing method chooses the server');
begin_anew();
--- error_log
with "fallback=off"
--- may_warn
is also that of upstream
--- timeout: 30



=== a valid signature does not extend a session
--- upstreams
upstream u { session_sticky KEYS sign maxidle=30 maxlife=100; server A:; }
--- client
counts('/u/', 'route=' . value(20, 90), 'u bound/valid/updated A');
counts('/u/', 'route=' . value(40, 90), 'u new/expired/inserted A');
counts('/u/', 'route=' . value(20, 110), 'u new/old/inserted A');
counts('/u/', 'route=' . value(-90000, 0), 'u new/invalid/inserted A');
counts('/u/', 'route=' . signed('route', $id{A}, $key[0]), 'u new/forged/inserted A');
my ($idle, $begun) = (time - 40, time - 90);
my $renewed = signed('route', "$id{A}|$idle|$begun", $key[0]) =~ s/\|$idle\|/'|' . time . '|'/er;
counts('/u/', "route=$renewed", 'u new/forged/inserted A');
my $value = value(20, 90);
my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
holds(is_of_A(bound(counts('/u/', "route=$value", 'u bound/valid/updated A')), $first, $key[0]), 'a renewed value is signed again');



=== several cookies of the name: the first one that is not forged is used
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h; server A:; server B:; }
upstream v { session_sticky KEYS sign maxidle=1h; server A:; server D: down; }
--- client
my $now = time;
my ($a, $b, $d) = map { signed('route', "$id{$_}|$now|$now", $key[0]) } qw(A B D);
my $forged = "$id{B}|$now|$now|" . 'x' x 22;
for my $cookies ("route=$forged; route=$a", "route=$a; route=$forged", "route=$id{B}; route=|; route=$a", "route=$id{B}|$now|$now; x=y; route=$a; route=$b") {
    my @bodies = map { body(visit('/u/', $cookies, 1983)) } 1 .. 4;
    equals("@bodies", 'A A A A', "the session of A: $cookies");
    equals(verdict('/u/', $cookies =~ s/^route=//r), 'valid', 'the verdict is valid');
}
equals(verdict('/u/', "$forged; route=$id{A}"), 'forged', 'if all are unusable, the verdict is that of the first');
equals(verdict('/v/', "$forged; route=$d"), 'down', 'or that of a cookie that names a server');
equals(verdict('/v/', "$forged; route=$d; route=$a"), 'valid', 'a cookie whose server is available takes precedence');
begin_anew();
--- may_warn
is also that of upstream



=== refresh= keeps fresh timestamps and their signature
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h refresh=6m; server A:; }
upstream v { session_sticky KEYS sign maxlife=1h refresh=6m; server A:; }
--- client
for my $name (qw(u v)) {
    equals(bound(counts("/$name/", 'route=' . value(100, 2000), "$name bound/valid/none A")), '', 'fresh') for 1 .. 2;
    my $value = value(400, 2000);
    my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
    my $renewed = bound(counts("/$name/", "route=$value", "$name bound/valid/updated A"));
    holds(is_of_A($renewed, $first, $key[0]), 'no longer fresh: renewed and signed');
    counts("/$name/", "route=$renewed", "$name bound/valid/none A");
    counts("/$name/", 'route=' . spoilt(value(100, 2000)), "$name new/forged/inserted A");
    my $future = value(-100, 2000);
    ($first) = $future =~ /\|(\d+)\|[^|]*\z/;
    holds(is_of_A(bound(counts("/$name/", "route=$future", "$name bound/valid/updated A")), $first, $key[0]), 'timestamps in the future are renewed as well');
}
--- may_warn
is also that of upstream



=== a signature made with an old key is accepted, and the next response has one made with the new key, however fresh the timestamps are
--- upstreams
upstream u { session_sticky TWO sign maxidle=1h refresh=6m; server A:; }
upstream v { session_sticky TWO sign maxidle=1h; server A:; }
upstream w { session_sticky KEYS sign maxidle=1h refresh=6m; server A:; }
--- client
for my $name (qw(u v)) {
    for my $old ([$key[0]], [$key[1]], [@key[0, 1]], [@key[0, 2]], [@key[2, 0]], [@key[2, 1]]) {
        my $value = value(0, 2000, @$old);
        my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
        my $new = bound(counts("/$name/", "route=$value", "$name bound/valid/updated A"));
        holds(is_of_A($new, $first, @key[1, 0]), "$name: the value gets a new signature: $value");
    }
    counts("/$name/", 'route=' . value(0, 2000, @key[2, 3]), "$name new/forged/inserted A");
}
counts('/u/', 'route=' . value(0, 2000, @key[1, 0]), 'u bound/valid/none A');
counts('/w/', 'route=' . value(0, 2000, $key[0]), 'w bound/valid/none A');
my $by_two = value(0, 2000, @key[1, 0]);
my ($first) = $by_two =~ /\|(\d+)\|[^|]*\z/;
holds(is_of_A(bound(counts('/w/', "route=$by_two", 'w bound/valid/updated A')), $first, $key[0]), 'one of two signatures is enough, and the next response has only that of this proxy');
--- may_warn
is also that of upstream
--- timeout: 30



=== explain reports forged values and shows no key
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h; server A:; server B:; }
--- client
sub explained { my ($value) = @_; return visit('/status/upstreams/u/explain?value=' . $value =~ s/\|/%7C/gr, undef, 1983) }
my $value = value(10, 100);
my @answers = map { explained($_) } $value, spoilt($value), $id{A};
equals(CORE::join(' ', map { my $found = parsed($_); "$found->{would}/$found->{verdict}" } @answers), 'bound/valid new/forged new/forged', 'the outcome of each value');
holds((grep { /\Q$key[0]\E/ } @answers) == 0, 'no key is shown');



=== without sign= the signature is ignored, and the next response has none
--- upstreams
upstream stamps { session_sticky maxidle=1h; server A:; server B:; }
upstream id     { session_sticky; server A:; server B:; }
upstream keyed  { session_sticky hash=hmac KEYS; server A:; server B:; }
--- client
for my $value (value(10, 100), value(10, 100, @key[1, 0]), spoilt(value(10, 100))) {
    my ($first) = $value =~ /\|(\d+)\|[^|]*\z/;
    holds(bound(counts('/stamps/', "route=$value", 'stamps bound/valid/updated A')) =~ /^$id{A}\|\d{10}\|$first\z/, 'timestamps');
    equals(bound(counts('/id/', "route=$value", 'id bound/valid/updated A')), $id{A}, 'an ID only');
    my $keyed = $value =~ s/^\w+/key_id($key[0], 'A')/er;
    equals(bound(counts('/keyed/', "route=$keyed", 'keyed bound/valid/updated A')), key_id($key[0], 'A'), 'a keyed ID only');
}
--- may_warn
is also that of upstream



=== option=indirect hides a signed value
--- upstreams
upstream u { session_sticky KEYS sign maxidle=1h option=indirect; server 127.0.0.1:1991; }
server { listen 127.0.0.1:1991; location / { return 200 "[$http_cookie]"; } }
--- client
my $now = time;
my $text = md5_hex('127.0.0.1:1991') . "|$now|$now";
for my $value (signed('route', $text, $key[0]), signed('route', $text, $key[1]), $text) {
    equals(body(visit('/u/', "a=1; route=$value; b=2", 1983)), '[a=1; b=2]', $value);
}
begin_anew();

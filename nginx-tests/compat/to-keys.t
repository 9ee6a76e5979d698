# Migration from IDs that anyone can compute, and timestamps that anyone can edit, to IDs by keys and signed timestamps, and back.
# The cookies are computed as the previous configuration made them. No client may move, and every response sets the cookie in the
# new form. Without accept=, old values are treated by the new rules.
#
# KEYS are parameters for a file with one key, TWO for one with two (lib/Keys.pm). lib/Upstreams.pm has the servers and the
# sections; A, B and C set the application's cookie "app" at /sets.

use Sticky qw(Keys Upstreams Visits);

key_file('one', $key[0]);
key_file('two', @key[1, 0]);
our @names = qw(A B C);
our %md5 = %id{@names};
our %keyed = map { $_ => key_id($key[0], $_) } @names;

client_sections();
upstream_sections('location /sets { add_header Set-Cookie "app=value; Path=/"; return 200 "NAME"; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s{\bKEYS\b}{key_file=$keys/one}gr =~ s{\bTWO\b}{key_file=$keys/two}gr
        =~ s{\bSERVERS\b}{server A: id=a; server B: id=b; server C: id=c;}gr;
    $block->set_value(upstreams => $upstreams);
    $block->set_value(locations => 'add_header X-Verdict $session_sticky_verdict always;');
});

# Tests that clients with these old values, by server, stay on their server and get new values that match these patterns. The new
# values are valid, and only their last timestamp changes.
sub nobody_moves {
    my ($path, $old, $new, $cookie) = @_;
    $cookie //= 'route';
    my @wrong;
    for my $name (sort keys %$old) {
        for my $value (ref $old->{$name} ? @{$old->{$name}} : $old->{$name}) {
            my $response = visit($path, "a=1; $cookie=$value; b=2", 1983);
            my $bound = bound($response);
            push @wrong, "$value: " . body($response) . " and $bound" if body($response) ne $name || $bound !~ /^(?:$new->{$name})$/;
            $response = visit($path, "$cookie=$bound", 1983);
            push @wrong, "$bound: " . body($response) . ', ' . head('X-Verdict', $response)
                if body($response) ne $name || head('X-Verdict', $response) ne 'valid';
        }
    }
    equals(CORE::join("\n", @wrong), '', "$path: no client moves, and all get the new value");
}

# Tests that clients with these values have this verdict and get this status.
sub all_begin_anew {
    my ($path, $old, $verdict, $status) = @_;
    my %got;
    for my $value (map { ref $_ ? @$_ : $_ } values %$old) {
        my $response = visit($path, "route=$value", 1983);
        $got{head('X-Verdict', $response) . ' ' . status($response)} = 1;
    }
    equals(CORE::join(', ', sort keys %got), "$verdict $status", "$path: verdict and status");
}

# A pattern for a signed value with this ID, and a first timestamp that matches this pattern.
sub signed_like { my ($id, $first) = @_; return "\Q$id\E\\|\\d{10}\\|$first\\|[\\w-]{22}" }

no_shuffle();
run_tests();

__DATA__

=== from md5 to hmac
--- upstreams
upstream new    { session_sticky hash=hmac accept=md5 KEYS; SERVERS }
upstream two    { session_sticky hash=hmac accept=md5 TWO; SERVERS }
upstream limits { session_sticky hash=hmac accept=md5 KEYS maxidle=1h; SERVERS }
upstream hard   { session_sticky hash=hmac KEYS; SERVERS }
upstream off    { session_sticky hash=hmac KEYS fallback=off; SERVERS }
upstream strict { session_sticky hash=hmac accept=md5 KEYS fallback=off; SERVERS }
--- client
nobody_moves('/new/', \%md5, \%keyed);
nobody_moves('/strict/', \%md5, \%keyed);
nobody_moves('/two/', \%md5, { map { $_ => quotemeta key_ids($_, @key[1, 0]) } @names });
my $first = time - 600;
nobody_moves('/limits/', { map { $_ => "$md5{$_}|" . ($first + 100) . "|$first" } @names }, { map { $_ => "$keyed{$_}\\|\\d{10}\\|$first" } @names });
all_begin_anew('/hard/', \%md5, 'unknown', 200);
all_begin_anew('/off/', \%md5, 'unknown', 502);
--- error_log
with "fallback=off"
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect



=== from plain to hmac
--- upstreams
upstream new  { session_sticky hash=hmac accept=plain KEYS; SERVERS }
upstream both { session_sticky hash=hmac accept=plain,md5 KEYS; SERVERS }
upstream hard { session_sticky hash=hmac KEYS; SERVERS }
--- client
my %plain = map { $_ => lc } @names;
nobody_moves('/new/', \%plain, \%keyed);
nobody_moves('/both/', { map { $_ => [lc, $md5{$_}] } @names }, \%keyed);
all_begin_anew('/hard/', \%plain, 'unknown', 200);
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect



=== from hmac back to md5 or plain: accept=hmac, with the keys that the file has
--- upstreams
upstream md5   { session_sticky accept=hmac KEYS; SERVERS }
upstream plain { session_sticky hash=plain accept=hmac TWO; SERVERS }
upstream all   { session_sticky hash=plain accept=md5,hmac,haproxy TWO maxidle=1h; SERVERS }
upstream hard  { session_sticky KEYS accept=plain; SERVERS }
--- client
nobody_moves('/md5/', { map { $_ => [$keyed{$_}, key_ids($_, @key[0, 1]), key_ids($_, @key[2, 0])] } @names }, \%md5);
my %both = map { my $name = $_; $name => [key_ids($name, @key[1, 0]), map { key_id($_, $name) } @key[0, 1]] } @names;
nobody_moves('/plain/', \%both, { map { $_ => lc } @names });
nobody_moves('/all/', { map { $_ => [@{$both{$_}}, $md5{$_}] } @names }, { map { $_ => lc . '\|(\d{10})\|\1' } @names });
all_begin_anew('/hard/', \%keyed, 'unknown', 200);
all_begin_anew('/md5/', { map { $_ => key_id($key[1], $_) } @names }, 'unknown', 200);
--- no_error_log
[alert]
[emerg]
--- may_warn
applies only with
parameter "id" of the "server" directive has no effect



=== from timestamps to signed timestamps
--- upstreams
upstream new    { session_sticky maxidle=1h maxlife=2h sign accept=unsigned KEYS; SERVERS }
upstream two    { session_sticky maxidle=1h sign accept=unsigned TWO refresh=30m hash=plain; SERVERS }
upstream hard   { session_sticky maxidle=1h sign KEYS; SERVERS }
upstream off    { session_sticky maxidle=1h sign KEYS fallback=off; SERVERS }
--- client
my $now = time;
my ($last, $first) = ($now - 100, $now - 600);
my %stamped = map { $_ => "$md5{$_}|$last|$first" } @names;
nobody_moves('/new/', \%stamped, { map { $_ => signed_like($md5{$_}, $first) } @names });
nobody_moves('/new/', \%md5, { map { $_ => signed_like($md5{$_}, '\d{10}') } @names });
nobody_moves('/two/', { map { $_ => lc . "|$last|$first" } @names }, { map { $_ => lc . "\\|\\d{10}\\|$first\\|[\\w-]{22}\\.[\\w-]{22}" } @names });
all_begin_anew("/$_/", \%stamped, 'forged', 200) for qw(hard off);
all_begin_anew("/$_/", \%md5, 'forged', 200) for qw(hard off);
# Unsigned timestamps still end a session, and a wrong signature is not accepted as unsigned.
all_begin_anew('/new/', { map { $_ => "$md5{$_}|" . ($now - 4000) . "|$first" } @names }, 'expired', 200);
all_begin_anew('/new/', { map { $_ => "$md5{$_}|$last|" . ($now - 8000) } @names }, 'old', 200);
all_begin_anew('/new/', { map { $_ => "$stamped{$_}|" . 'x' x 22 } @names }, 'forged', 200);
all_begin_anew('/new/', { map { $_ => signed('route', $stamped{$_}, $key[1]) } @names }, 'forged', 200);
all_begin_anew('/new/', { A => 'nobody' }, 'unknown', 200);
my $value = bound(visit('/new/', "route=$stamped{A}", 1983));
equals($value, signed('route', $value =~ s/\|[^|]*\z//r, $key[0]), 'the new value is signed for this cookie');
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect



=== all at once: from md5 without timestamps to hmac with signed ones
--- upstreams
upstream new  { session_sticky hash=hmac maxidle=1h sign accept=md5,unsigned KEYS; SERVERS }
upstream half { session_sticky hash=hmac maxidle=1h sign accept=md5 KEYS; SERVERS }
upstream then { session_sticky hash=hmac maxidle=1h sign accept=unsigned KEYS; SERVERS }
--- client
my $first = time - 600;
my %new = map { $_ => signed_like($keyed{$_}, '\d{10}') } @names;
nobody_moves('/new/', \%md5, \%new);
nobody_moves('/new/', { map { $_ => ["$md5{$_}|$first|$first", "$keyed{$_}|$first|$first"] } @names }, { map { $_ => signed_like($keyed{$_}, $first) } @names });
nobody_moves('/new/', \%keyed, \%new);
# Signed values with old IDs: one step at a time.
nobody_moves("/$_/", { map { $_ => signed('route', "$md5{$_}|$first|$first", $key[0]) } @names }, { map { $_ => signed_like($keyed{$_}, $first) } @names }) for qw(new half);
all_begin_anew('/half/', \%md5, 'forged', 200);
all_begin_anew('/half/', { map { $_ => "$md5{$_}|$first|$first" } @names }, 'forged', 200);
all_begin_anew('/then/', \%md5, 'unknown', 200);
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect



=== "sign" is removed, and added again
--- upstreams
upstream without { session_sticky maxidle=1h; SERVERS }
upstream plain   { session_sticky; SERVERS }
upstream again   { session_sticky maxidle=1h sign accept=unsigned KEYS; SERVERS }
--- client
my $first = time - 600;
for my $keys ([$key[0]], [@key[1, 0]]) {
    my %signed = map { $_ => signed('route', "$md5{$_}|$first|$first", @$keys) } @names;
    nobody_moves('/without/', \%signed, { map { $_ => "$md5{$_}\\|\\d{10}\\|$first" } @names });
    nobody_moves('/plain/', \%signed, \%md5);
}
nobody_moves('/again/', { map { $_ => "$md5{$_}|$first|$first" } @names }, { map { $_ => signed_like($md5{$_}, $first) } @names });
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect



=== other systems' values are unsigned
--- upstreams
upstream new  { session_sticky hash=hmac maxidle=1h sign accept=haproxy,sha1,unsigned KEYS; SERVERS }
upstream hard { session_sticky hash=hmac maxidle=1h sign accept=haproxy KEYS; SERVERS }
--- client
use Digest::SHA 'sha1_hex';
my %new = map { $_ => signed_like($keyed{$_}, '\d{10}') } @names;
nobody_moves('/new/', { map { $_ => [lc, sha1_hex($line{$_})] } @names }, \%new);
all_begin_anew('/hard/', { map { $_ => lc } @names }, 'forged', 200);
--- no_error_log
[alert]
[emerg]
--- may_warn
applies only with
parameter "id" of the "server" directive has no effect



=== mode=prefix and mode=rewrite: the value is replaced when the application sets its cookie
--- upstreams
upstream prefix  { session_sticky cookie=app mode=prefix hash=hmac accept=md5 KEYS; SERVERS }
upstream rewrite { session_sticky cookie=app mode=rewrite hash=hmac accept=md5 KEYS; SERVERS }
upstream back    { session_sticky cookie=app mode=prefix accept=hmac TWO; SERVERS }
--- client
nobody_moves('/rewrite/sets', \%md5, \%keyed, 'app');
nobody_moves('/prefix/sets', { map { $_ => "$md5{$_}~x" } @names }, { map { $_ => "$keyed{$_}~value" } @names }, 'app');
nobody_moves('/back/sets', { map { $_ => ["$keyed{$_}~x", key_ids($_, @key[0, 1]) . '~x'] } @names }, { map { $_ => "$md5{$_}~value" } @names }, 'app');
for my $name (@names) {
    my $response = visit('/prefix/', "app=$md5{$name}~x", 1983);
    equals(body($response) . set($response), $name, "the session of $name stays if no cookie is set");
}
--- no_error_log
[alert]
[emerg]
--- may_warn
parameter "id" of the "server" directive has no effect

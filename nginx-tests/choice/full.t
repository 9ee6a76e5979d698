# full=over: a session goes to its server even if that has reached max_conns. New sessions do not.
#
# The section "client" acts as D and E, and responds on demand; A responds at once (lib/Upstreams.pm).

use Sticky qw(Counters Keys Status Upstreams Visits);

our %held;
our %server = map { $_ => serve($port{$_}) } qw(D E);
my $key_file = key_file('keys', $key[0]);

master_on();
client_sections();
upstream_sections('location /fails { return 503; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => 'location = /peers { upstream_peers; } location /status { session_sticky_status; }');
    $block->set_value(upstreams => $block->upstreams =~ s/\bKEYS\b/$key_file/gr);
});

# Tests that a request of this session reaches this server, and holds it there.
sub goes_to {
    my ($name, $path, $cookie, $what) = @_;
    my $asked = ask($path, $cookie, 1983);
    my $taken = taken($server{$name});
    holds($taken, "$path $cookie: $what");
    push @{$held{$name}}, [$taken, $asked] if $taken;
    return;
}

# Responds to the held requests, with this text. Returns the responses.
sub let_go {
    my ($name, $text) = @_;
    my @held = @{delete $held{$name} // []};
    for (@held) {
        my ($taken) = @$_;
        print $taken $text // "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
        close $taken;
    }
    return map { response($_->[1]) } @held;
}

my %letter = reverse %line;

sub where { my (@visits) = @_; return tried(@visits) =~ s/(127\.0\.0\.1:\d+)/$letter{$1}/gr }

sub connections { my ($upstream) = @_; return join ' ', map { $_->{conns} } @{counters($upstream)} }

run_tests();

__DATA__

=== bound sessions exceed max_conns, and are counted; new sessions remain limited
--- upstreams
upstream over { zone over 128k; server D: max_conns=1; server A:; session_sticky full=over; }
upstream move { zone move 128k; server D: max_conns=1; server A:; session_sticky full=move; }
upstream bare { server D: max_conns=1; server A:; session_sticky full=over fallback=off; }
upstream none { server D:; server A:; session_sticky full=over; }
--- error_log eval
qr/\[info\].* session_sticky: server "[0-9a-f]{32}" of upstream "over" has reached max_conns, its session exceeds the limit: 127\.0\.0\.1:1999/
--- client
for my $upstream (qw(over bare)) {
    goes_to('D', "/$upstream/", "route=$id{D}", 'the first one reaches the limit');
    goes_to('D', "/$upstream/", "route=$id{D}", "number $_ goes to it") for 2, 3;
    equals(connections($upstream), '3 0', "$upstream: all are counted as connections");
    equals(where(map { visit("/$upstream/", undef, 1983) } 1 .. 4), 'A', "$upstream: new sessions go to the other server");
    equals(cookies(let_go('D')), '', "$upstream: no cookie is set");
    equals(connections($upstream), '0 0', "$upstream: and none is counted afterwards");
    equals(upstream($upstream)->{over_limit}, 2, "$upstream: two exceeded the limit");
    equals(upstream($upstream)->{requests}{bound}, 3, "$upstream: three were bound");
}
goes_to('D', '/move/', "route=$id{D}", 'the first one reaches the limit');
equals(where(visit('/move/', "route=$id{D}", 1983)), 'A', 'full=move: the second one goes to the other server');
let_go('D');
goes_to('D', '/none/', "route=$id{D}", "number $_") for 1 .. 3;
let_go('D');
equals(upstream($_)->{over_limit}, 0, "$_: none exceeds a limit") for qw(move none);
my $metrics = body(reply_to('/status?format=prometheus'));
holds($metrics =~ /^session_sticky_over_limit_total\{upstream="over"\} 2$/m, 'Prometheus has the number');



=== in every mode, and by every form of ID
--- upstreams
upstream rewrite { server D: max_conns=1; server A:; session_sticky full=over mode=rewrite; }
upstream prefix  { server D: max_conns=1; server A:; session_sticky full=over mode=prefix; }
upstream kept    { server D: max_conns=1; server A:; session_sticky full=over rebind=off maxidle=1h; }
upstream plain   { server D: max_conns=1 id=d; server A:; session_sticky full=over hash=plain accept=md5; }
upstream keys    { server D: max_conns=1; server A:; session_sticky full=over hash=hmac key_file=KEYS accept=md5; }
upstream route   { server D: max_conns=1 id=d; server A: id=a; session_sticky full=over mode=route lookup=$arg_to; }
upstream learn   { server D: max_conns=1; server A: backup; session_sticky full=over mode=learn lookup=$arg_s create=$arg_s zone=full:64k; }
upstream least   { least_conn; server D: max_conns=1; server A:; session_sticky full=over; }
upstream several { server D: max_conns=1; server A:; session_sticky full=over; }
--- no_error_log
[error]
[alert]
--- client
my $now = time;
my @sessions = (['/rewrite/', "route=$id{D}"], ['/prefix/', "route=$id{D}~x"], ['/kept/', "route=$id{D}|$now|$now"],
                ['/plain/', 'route=d'], ['/plain/', "route=$id{D}"], ['/keys/', 'route=' . key_id($key[0], 'D')],
                ['/keys/', "route=$id{D}"], ['/route/?to=d', 'x=y'], ['/least/', "route=$id{D}"],
                ['/several/', "route=$id{D}; route=$id{A}"], ['/several/', "route=|; route=$id{D}"]);
# It learns from the first response.
my $visitor = ask('/learn/?s=one', undef, 1983);
my $taken = taken($server{D});
holds($taken, 'a session starts');
answer($taken, 'done') if $taken;
response($visitor);
for my $session (@sessions, ['/learn/?s=one', 'x=y']) {
    my ($path, $cookie) = @$session;
    goes_to('D', $path, $cookie, "number $_") for 1, 2;
    let_go('D');
}



=== servers with the same ID: one below its limit is preferred, then the first one is used over its limit
--- upstreams
upstream same    { server D: id=x max_conns=1; server E: id=x max_conns=1; server A:; session_sticky full=over hash=plain; }
upstream strict  { server D: id=x max_conns=1; server E: id=x max_conns=1; server A:; session_sticky full=over hash=plain fallback=off; }
upstream backups { server A: down; server D: id=x max_conns=1 backup; server E: id=x max_conns=1 backup; session_sticky full=over hash=plain; }
--- client
for my $upstream (qw(same strict backups)) {
    goes_to('D', "/$upstream/", 'route=x', 'the first one');
    goes_to('E', "/$upstream/", 'route=x', 'the other one is below its limit');
    goes_to('D', "/$upstream/", 'route=x', 'both have reached their limits');
    let_go('E');
    goes_to('E', "/$upstream/", 'route=x', 'the other one is below its limit again');
    let_go($_) for 'D', 'E';
}



=== a server that fails over its limit: each server is tried once, then the session moves
--- upstreams
upstream over    { server D: max_conns=1 max_fails=0; server A:; session_sticky full=over; }
upstream same    { server D: id=x max_conns=1 max_fails=0; server E: id=x max_conns=1 max_fails=0; server A:; session_sticky full=over hash=plain; }
upstream backups { server A:; server D: id=x max_conns=1 max_fails=0 backup; server E: id=x max_conns=1 max_fails=0 backup; session_sticky full=over hash=plain; }
upstream strict  { server D: id=x max_conns=1 max_fails=0; server E: id=x max_conns=1 max_fails=0; server A:; session_sticky full=over hash=plain fallback=off; }
upstream lends   { server D: id=x max_conns=1 max_fails=0 backup; server A:; session_sticky full=over hash=plain rebind=off; }
--- no_error_log
[alert]
--- client
goes_to('D', '/over/', "route=$id{D}", 'the server has reached its limit');
goes_to('D', '/over/', "route=$id{D}", 'and exceeds the limit');
equals(join(' ', map { where($_) } let_go('D', '')), 'D, A D, A', 'the other server responds to the failed ones');
for my $upstream (qw(same backups strict)) {
    goes_to($_, "/$upstream/", 'route=x', "$_ has reached its limit") for qw(D E);
    my $asked = ask("/$upstream/", 'route=x', 1983);
    for my $name (qw(D E)) {
        my $taken = taken($server{$name});
        holds($taken, "$upstream: $name is tried over its limit");
        close $taken if $taken;
    }
    my $response = response($asked);
    equals(where($response), $upstream eq 'strict' ? 'D, E' : 'D, E, A', "$upstream: each is tried once");
    equals(status($response), $upstream eq 'strict' ? 502 : 200, "$upstream: status");
    let_go($_) for qw(D E);
}
goes_to('D', '/lends/', 'route=x', 'a backup server has reached its limit');
my $asked = ask('/lends/', 'route=x', 1983);
my $taken = taken($server{D});
close $taken if $taken;
equals(where(response($asked)), 'D, A', 'and another server takes over when it fails');
let_go('D');



=== a keepalive connection is closed: the server is tried once more, over its limit
--- upstreams
upstream over { zone kept 128k; server D: max_conns=1 backup; server A:; session_sticky full=over; keepalive 4; }
--- locations
location /kept/ { proxy_pass http://over/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- client
my $asked = ask('/kept/', "route=$id{D}", 1983);
my $kept = taken($server{D});
print $kept "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone" if $kept;
equals(body(response($asked)), 'done', 'a connection stays open');
$asked = ask('/kept/', "route=$id{D}", 1983);
holds(read_until($kept, qr/\r\n\r\n/), 'it is reused') if $kept;
goes_to('D', '/kept/', "route=$id{D}", 'the server has reached its limit');
close $kept if $kept;
my $taken = taken($server{D});
holds($taken, 'the server is tried once more');
answer($taken, 'again') if $taken;
equals(where(response($asked)), 'D, D', 'and no other one');
let_go('D');



=== only max_conns is ignored: a server that is down, draining or failed
--- upstreams
upstream down  { server D: down max_conns=1; server A:; session_sticky full=over; }
upstream fails { zone fails 128k; server B: max_conns=1 fail_timeout=10m; server A:; session_sticky full=over; }
upstream off   { server D: down max_conns=1; server A:; session_sticky full=over fallback=off; }
upstream drain { server D: drain max_conns=1; server A:; session_sticky full=over; }
--- no_error_log
[alert]
--- client
equals(where(visit('/down/', "route=$id{D}", 1983)), 'A', 'down');
equals(status(visit('/off/', "route=$id{D}", 1983)), 502, 'down, fallback=off');
goes_to('D', '/drain/', "route=$id{D}", "draining, number $_") for 1, 2;
let_go('D');



=== two workers: with a zone, they count the connections of both, without one, each counts its own
--- workers: 2
--- upstreams
upstream shared { zone shared 128k; server D: max_conns=2; server A:; session_sticky full=over; }
upstream apart  { server D: max_conns=2; server A:; session_sticky full=over; }
--- client
for my $upstream (qw(shared apart)) {
    goes_to('D', "/$upstream/", "route=$id{D}", "number $_") for 1 .. 12;
    let_go('D');
}
equals(upstream('shared')->{over_limit}, 10, 'zone: all but two exceed the limit');
my $apart = upstream('apart')->{over_limit};
holds($apart == 8 || $apart == 10, "no zone: all but two of each worker: $apart");
goes_to('D', '/shared/', "route=$id{D}", "number $_") for 1 .. 3;
equals(where(everywhere('/shared/')), 'A', 'new sessions are limited in both workers');
let_go('D');



=== explain reports the same
--- upstreams
upstream over   { zone told 128k; server D: max_conns=1; server A:; session_sticky full=over; }
upstream move   { zone other 128k; server D: max_conns=1; server A:; session_sticky cookie=m; }
upstream strict { zone strict 128k; server D: max_conns=1; server A:; session_sticky cookie=s full=over fallback=off; }
--- client
for (['over', 'route', 'bound'], ['strict', 's', 'bound'], ['move', 'm', 'moved']) {
    my ($upstream, $cookie, $would) = @$_;
    goes_to('D', "/$upstream/", "$cookie=$id{D}", 'the server has reached its limit');
    equals(document("/status/upstreams/$upstream/explain?value=$id{D}")->{would}, $would, "$upstream: would");
    let_go('D');
}



=== sessions of an unavailable server remain limited on the server that takes over
--- upstreams
upstream lends { server B: down; server D: max_conns=1; server A: backup; session_sticky full=over rebind=off; }
--- no_error_log
[alert]
--- client
goes_to('D', '/lends/', "route=$id{B}", 'it takes over');
equals(where(visit('/lends/', "route=$id{B}", 1983)), 'A', 'another server takes over the next one');
let_go('D');

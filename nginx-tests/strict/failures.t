# Strict sessions: a request that fails, or is late, turns no other away. Its server is asked for each of the others, with
# any max_fails and fail_timeout, in every worker; what nginx counts meanwhile is for the balancer alone.
#
# Stories.pm has the words, Failures.pm the failures.
# Sections of this file's own:
#   upstreams   a line for many upstreams: FAILURE, MAX and ZONE in it are each failure of which a server knows, each of
#               these max_fails, and a zone or none

use Sticky qw(Counters Failures FaultyServers Stories);

master_on();
worker_connections(4096);

our $servers = failing_servers(1985, 1986, 1987);
our $at_a = '127.0.0.1:1985';

# Under valgrind a few of each have to do.
our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND} // '';

# At once is a matter of luck: the server may reset the connection before it is one.
our @said = grep { !exists $failing_port{$_} } $valgrind ? qw(hang reset invalid body-empty 503 404) : @failures;
our @max_fails = $valgrind ? ('', 'max_fails=2') : ('', 'max_fails=1', 'max_fails=2', 'max_fails=0');

# Those of the section "upstreams": {name, failure, max}
our @upstreams;

sub upstreams {
    my ($line) = @_;
    @upstreams = ();
    my $http = '';
    for my $failure (@said) {
        for my $max (@max_fails) {
            for my $zone ('', "zone failures 8m;") {
                my $name = 'u' . @upstreams;
                push @upstreams, {name => $name, failure => $failure, what => "$failure, $max $zone",
                                  max => $max =~ /max_fails=(\d)/ ? $1 : 1};
                $http .= "upstream $name { " . ($line =~ s/MAX/$max/r =~ s/ZONE/$zone/r) . " }\n";
            }
        }
    }
    return $http;
}

# Sends this to each upstream at once, and says which had another outcome; what is wanted may depend on the upstream.
sub each_gets {
    my ($cookie, $plan, $wanted, $what) = @_;
    my @got = outcomes(map { [$_->{name}, $cookie, ref $plan ? $plan->($_) : $plan] } @upstreams);
    my @wrong;
    for my $nth (0 .. $#upstreams) {
        my $wants = ref $wanted ? $wanted->($upstreams[$nth]) : $wanted;
        push @wrong, "$upstreams[$nth]{what}: $got[$nth]" if $got[$nth] !~ /^(?:$wants)$/;
    }
    return equals(join("\n", @wrong), '', $what);
}

# What nginx has counted for A and B.
sub counted {
    my ($times) = @_;
    my @wrong;
    for my $upstream (@upstreams) {
        my $fails = join ' ', map { $_->{fails} } @{settled($upstream->{name})};
        my $wanted = $times * is_failure($upstream->{failure});
        push @wrong, "$upstream->{what}: $fails" if $fails !~ /^$wanted(?: 0)+$/;
    }
    return equals(join("\n", @wrong), '', "$times failures are counted, where nginx counts them");
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => upstreams($block->upstreams)) if defined $block->upstreams;
    if (defined $block->upstreams && !defined $block->client) {
        $block->set_value(client => sub {
            my $fails = sub { status_of($_[0]{failure}) . ' of A' };
            each_gets($at_a, sub { "$_[0]{failure} ok" }, $fails, 'the server of the session fails');
            each_gets($at_a, 'ok', '200 of A', 'the next request is served') for 1 .. 2;
            counted(1);
            each_gets($at_a, sub { "$_[0]{failure} ok" }, $fails, 'it fails again') for 1 .. 2;
            each_gets($at_a, 'ok', '200 of A', 'the next request is served all the same');
            counted(3);
            # The balancer leaves it alone, as it would without session_sticky.
            my $first = sub { is_failure($_[0]{failure}) && $_[0]{max} ? '200 of B' : '200 of [AB]' };
            each_gets('', 'ok', $first, 'first visitors are served by one that nginx takes for available') for 1 .. 2;
        });
    }
    live($block, $block->directives // 'proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504
                                        http_403 http_404 http_429 non_idempotent;');
});

run_tests();

__DATA__

=== fallback=off
--- upstreams: ZONE server A: MAX; server B:; session_sticky hash=plain fallback=off;



=== fallback=unknown, and the servers have several neighbours
--- upstreams: ZONE server A: MAX; server B:; server C: down; server C: backup; session_sticky hash=plain fallback=unknown;



=== sticky no_fallback
--- upstreams: ZONE server A: MAX; server B:; sticky text=raw no_fallback;



=== sticky_no_fallback in the location
--- upstreams: ZONE least_conn; server A: MAX; server B:; session_sticky hash=plain;
--- directives: sticky_no_fallback; proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent;



=== proxy_next_upstream off
--- upstreams: ZONE server A: MAX; server B:; session_sticky hash=plain fallback=off;
--- directives: proxy_next_upstream off;



=== one server of the id is down: the other is asked, whatever failed
--- upstreams: ZONE server C: id=127.0.0.1:1985 down; server A: MAX id=127.0.0.1:1985; server B: id=b; session_sticky hash=plain fallback=off;
--- client
each_gets($at_a, sub { "$_[0]{failure} ok" }, sub { status_of($_[0]{failure}) . ' of A' }, 'the server of the session fails') for 1 .. 2;
each_gets($at_a, 'ok', '200 of A', 'the next request is served') for 1 .. 2;



=== while a request waits for its answer, and when it was late: with several workers, in all of them
--- workers: 3
--- http_config
upstream zoned   { zone slow 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream without { server A:; server B:; session_sticky hash=plain fallback=off; }
upstream one     { zone slow 512k; server A: max_fails=1; server B:; session_sticky hash=plain fallback=unknown; }
--- client
for my $upstream (qw(zoned without one)) {
    my $ask = sub { ask_for($_[0], $upstream, {cookie => "route=$at_a"}) };
    my @late = map { $ask->('hang ok') } 1 .. 9;
    my @meanwhile = map { outcome(response($ask->('ok'))) } 1 .. 20;
    equals(join(' | ', grep { $_ ne '200 of A' } @meanwhile), '', "$upstream: meanwhile the others are served");
    my @then = map { response($_) } @late;
    equals(join(' | ', grep { $_ ne '504 of A' } map { outcome($_) } @then), '', "$upstream: those that were late get 504");
    my (%workers, @wrong);
    for (1 .. 300) {
        my $response = response($ask->('ok'));
        $workers{head('X-Worker', $response)}++;
        push @wrong, outcome($response) if outcome($response) ne '200 of A';
        last if keys %workers == 3 && $_ >= 40;
    }
    equals(scalar(keys %workers), 3, "$upstream: the others are with every worker");
    equals(join(' | ', @wrong), '', "$upstream: and are served at once");
}



=== cut off in the middle: the client of that request sees it, the others are served
--- http_config
upstream u { zone cut 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream v { server A:; server B:; session_sticky hash=plain fallback=off; }
--- client
for my $upstream (qw(u v)) {
    my $asked = ask_for('body-reset ok', $upstream, {cookie => "route=$at_a", id => "cut-$upstream"});
    equals($servers->port_of("cut-$upstream"), 1985, "$upstream: the server has the request");
    my $head = read_until($asked, qr/half of it/);
    equals(outcome($head), '200 of A', "$upstream: and has begun to answer");
    $servers->go("cut-$upstream");
    read_until($asked, qr/(?!)/);
    chapter("$upstream $at_a ok => 200 of A, fails 0 0, not bound anew") for 1 .. 2;
}



=== a client that left: nobody else is refused
--- http_config
upstream u { zone left 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
--- client
my $asked = ask_for('wait', 'u', {cookie => "route=$at_a", id => 'leaves'});
equals($servers->port_of('leaves'), 1985, 'the server has the request');
close $asked;
chapter("u $at_a ok => 200 of A, fails 0 0, not bound anew") for 1 .. 2;



=== several servers of one id: one that is past max_fails is asked when no other is left
--- http_config
upstream u { zone group_fails 512k; server A: id=x; server B: id=x; server C: id=c; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x; server B: id=x backup; server C: id=c; session_sticky hash=plain fallback=off; }
upstream w { server A: id=x; server B: id=x down; server C: id=c; session_sticky hash=plain fallback=off; }
--- stories
u x reset ok => 200 of A B, fails 1 0 0, not bound anew
u x ok => 200 of B, fails 1 0 0, not bound anew
u x 503 ok => 200 of B A, fails 1 1 0, not bound anew
u x 503 503 ok => 503 of A B, fails 2 1 0, not bound anew
u x hang ok => 200 of A B, fails 3 1 0, not bound anew
v x reset ok => 200 of A B, fails 1 0 0, not bound anew
v x ok => 200 of B, fails 1 0 0, not bound anew
v x reset reset ok => 502 of B A, fails 2 0 1, not bound anew
w x reset ok => 502 of A, fails 1 0 0, not bound anew
w x ok => 200 of A, fails 1 0 0, not bound anew
w x hang ok => 504 of A, fails 2 0 0, not bound anew
w x ok => 200 of A, fails 2 0 0, not bound anew
--- client
for my $upstream (qw(u v)) {
    my @outcomes = outcomes(map { [$upstream, 'x', 'ok'] } 1 .. 4);
    equals(join(' | ', grep { !/^200 of [AB]$/ } @outcomes), '', "$upstream: all are past max_fails, and their sessions are served");
}



=== several servers of one id: one that refuses connections is not one of those that are left
--- http_config
upstream u { zone group_refuses 256k; server R: id=x; server A: id=x; server B: id=b; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x; server R: id=x backup; server B: id=b; session_sticky hash=plain fallback=off; }
--- stories
u x ok => 200 of R A, fails 1 0 0, not bound anew
u x 503 ok => 503 of A, fails 1 0 0, not bound anew
u x hang ok => 504 of A, fails 1 1 0, not bound anew
u x ok => 200 of A, fails 1 1 0, not bound anew
v x 503 ok => 502 of A R, fails 1 0 1, not bound anew
v x 503 ok => 503 of A, fails 1 0 1, not bound anew



=== several servers of one id: those that drain are the last
--- http_config
upstream u { zone group_drains 256k; server A: id=x drain; server B: id=x; server C: id=c; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x drain; server B: id=x drain; server C: id=c; session_sticky hash=plain fallback=unknown; }
--- stories
u x 404 404 ok => 404 of B A, fails 0 0 0, not bound anew
u x 404 ok => 200 of B A, fails 0 0 0, not bound anew
u x 503 503 ok => 503 of B A, fails 0 1 0, not bound anew
v x 503 503 ok => 503 of A B, fails 1 0 0, not bound anew
v x ok => 200 of B, fails 1 0 0, not bound anew



=== 70 servers of one id, and the last of them answers
--- http_config eval
"upstream u { " . CORE::join('', map { "server 127.0.1.$_:1999 id=x;\n" } 1 .. 69)
    . "server A: id=x; server B:; session_sticky hash=plain fallback=off; }\n"
--- client
my $response = response(ask_for('ok', 'u', {cookie => 'route=x'}));
equals(status($response), 200, 'it is found');
equals(scalar(() = head('X-Tried', $response) =~ /127/g), 70, 'after all the others');
equals((outcomes(['u', 'x', '503 ok']))[0], '503 of A', 'which are known then');



=== an upstream of one server
--- http_config
upstream u { server A: max_fails=1; session_sticky hash=plain fallback=off; }
upstream v { zone single 256k; server A: max_fails=1; session_sticky hash=plain fallback=unknown; }
upstream w { server R: max_fails=1; session_sticky hash=plain fallback=off; }
upstream x { zone single 256k; server R: max_fails=1; session_sticky hash=plain fallback=off; }
upstream y { server R:; sticky text=raw no_fallback; }
--- stories
u 127.0.0.1:1985 hang => 504 of A, fails 0, not bound anew
u 127.0.0.1:1985 503 => 503 of A, fails 0, not bound anew
u 127.0.0.1:1985 ok => 200 of A, fails 0, not bound anew
v 127.0.0.1:1985 reset => 502 of A, fails 0, not bound anew
v 127.0.0.1:1985 ok => 200 of A, fails 0, not bound anew
w 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew
w 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew
x 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew
x 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew
y 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew
y 127.0.0.1:1999 ok => 502 of R, fails 0, not bound anew



=== fallback=on is as it was: the session of a server past max_fails moves
--- http_config
upstream u { zone on 256k; server A:; server B:; session_sticky hash=plain; }
upstream v { server A: max_fails=0; server B:; session_sticky hash=plain; }
--- stories
u 127.0.0.1:1985 hang ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
u 127.0.0.1:1985 ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
u gone ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 503 503 => 503 of A B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 503 ok => 200 of A B, fails 2 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 ok => 200 of A, fails 2 0, not bound anew



=== an id that names no server: off refuses, unknown and on do not
--- http_config
upstream off     { zone ids 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream unknown { zone ids 512k; server A:; server B:; session_sticky hash=plain fallback=unknown; }
upstream on      { server A:; server B:; session_sticky hash=plain; }
--- stories
off gone ok => 502 of none, fails 0 0, not bound anew
off gone POST ok => 502 of none, fails 0 0, not bound anew
off - ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
off 127.0.0.1:1985 503 ok => 503 of A, fails 0 0, not bound anew
unknown gone ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
unknown gone 503 ok => 200 of B A, fails 0 1, bound to 127.0.0.1:1985
unknown 127.0.0.1:1986 503 ok => 503 of B, fails 0 1, not bound anew
unknown 127.0.0.1:1986 ok => 200 of B, fails 0 1, not bound anew
on gone ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985

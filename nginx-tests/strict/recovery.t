# Strict sessions of a server that accepts connections again: its failures are cleared once it has accepted a connection,
# whether that connection is kept or closed; and the request that tries it again blocks other requests for at most
# fail_timeout.
#
# See Stories.pm for the format of stories. On port 1996, https is passed to upstream "u".

use Sticky qw(FaultyServers Stories);
use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes 'sleep';

master_on();

our $servers = FaultyServers->new(1986);
our $mine = '127.0.0.1:1990';
our $fail_timeout = $ENV{TEST_NGINX_USE_VALGRIND} ? 20 : 2;

sub outcome_of_one { return (outcomes(['u', $mine, 'ok']))[0] }

# Serves one request and keeps its connection. nginx may first have to try the server again.
sub is_served_and_kept {
    my ($server, $what) = @_;
    my $kept;
    eventually(sub {
        my $asked = ask_for('ok', 'u', {cookie => "route=$mine"});
        $kept = taken_unless_answered($server, $asked) or return 0;
        print $kept "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept";
        return body(response($asked)) eq 'kept';
    }, $what);
    return $kept;
}

# Lets nginx notice the closed connection before the next request.
sub close_kept {
    my ($kept) = @_;
    close $kept if $kept;
    sleep($ENV{TEST_NGINX_USE_VALGRIND} ? 2 : 0.3);
}

# Resets connections: old versions of nginx log OpenSSL 3's error for one that is only closed in a handshake at [crit].
sub reset_each {
    for my $connection (@_) {
        setsockopt $connection, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
        close $connection;
    }
    return;
}

sub ask_over_tls { return say_to_nginx("GET / HTTP/1.0\r\nHost: localhost\r\nCookie: route=$mine\r\n\r\n", 1996) }

# The connection of a request for which nginx is waiting in the TLS handshake; undef if nginx answers itself.
sub in_handshake {
    my ($server, $asked) = @_;
    my @ready = IO::Select->new($server, $asked)->can_read(patience());
    return (grep { $_ == $server } @ready) ? scalar $server->accept : undef;
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => ($block->http_config =~ s/SECONDS/$fail_timeout/gr)
        . 'server { listen 127.0.0.1:1996; location / { proxy_pass https://u; } }');
    live($block, 'proxy_next_upstream error timeout; proxy_http_version 1.1; proxy_set_header Connection "";');
});

run_tests();

__DATA__

=== refused, answered over a kept connection, refused: the count starts over
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=2 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
equals(outcome_of_one(), '502 of 1990', 'the connection is refused');
my $server = serve(1990);
my $kept = is_served_and_kept($server, 'the server is back');
close $server;
close_kept($kept);
equals(outcome_of_one(), '502 of 1990', 'the connection is refused again');
$server = serve(1990);
my $asked = ask_for('ok', 'u', {cookie => "route=$mine"});
my $taken = taken_unless_answered($server, $asked);
holds($taken, 'the server gets the next request');
answer($taken, 'back') if $taken;
equals(body(response($asked)), 'back', 'it answers');



=== once it has answered over a kept connection, no request blocks another
--- error_log: while SSL handshaking to upstream
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
equals(outcome_of_one(), '502 of 1990', 'the connection is refused');
my $server = serve(1990);
close_kept(is_served_and_kept($server, 'the server is back'));
my @asked = map { ask_over_tls() } 1 .. 3;
my @taken = grep { $_ } map { in_handshake($server, $_) } @asked;
equals(scalar @taken, 3, 'all of several parallel requests reach the server');
reset_each(@taken);
response($_) for @asked;



=== the request that tries the server again blocks others for at most fail_timeout
--- error_log: while SSL handshaking to upstream
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; }
--- client
equals(outcome_of_one(), '502 of 1990', 'the connection is refused');
my $server = serve(1990);
my (@asked, @taken);
my $next = sub {
    push @asked, ask_over_tls();
    my $taken = in_handshake($server, $asked[-1]);
    push @taken, $taken if $taken;
    return $taken;
};
eventually($next, 'the server is tried again');
holds(!$next->(), 'other requests are refused while that one waits');
eventually($next, 'then another request reaches the server');
equals(scalar @taken, 2, 'the first is still waiting');
reset_each(@taken);
response($_) for @asked;

# Strict sessions whose server did not accept a connection, and then does: what was held against it is over once it has
# accepted one, be that connection kept or closed; and the request that tries it again holds off the others for
# fail_timeout at the most.
#
# Stories.pm has the words. On port 1996, https leads to upstream "u".

use Sticky qw(FaultyServers Stories);
use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes 'sleep';

master_on();

our $servers = FaultyServers->new(1986);
our $mine = '127.0.0.1:1990';
our $fail_timeout = $ENV{TEST_NGINX_USE_VALGRIND} ? 20 : 2;

sub outcome_of_one { return (outcomes(['u', $mine, 'ok']))[0] }

# Serves one request, whose connection nginx keeps. The server may be one that nginx has to try first.
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

# nginx finds that it is closed before the next request comes.
sub close_kept {
    my ($kept) = @_;
    close $kept if $kept;
    sleep($ENV{TEST_NGINX_USE_VALGRIND} ? 2 : 0.3);
}

# Resets connections: of one that is only closed in a handshake, old versions of nginx say at [crit] that OpenSSL 3 told them so.
sub reset_each {
    for my $connection (@_) {
        setsockopt $connection, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
        close $connection;
    }
    return;
}

sub ask_over_tls { return say_to_nginx("GET / HTTP/1.0\r\nHost: localhost\r\nCookie: route=$mine\r\n\r\n", 1996) }

# The connection of this request, on which nginx waits for the other side of the handshake; undef if nginx answers.
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

=== refused, answered over a connection that is kept, refused: the count has begun anew
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=2 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
equals(outcome_of_one(), '502 of 1990', 'it refuses');
my $server = serve(1990);
my $kept = is_served_and_kept($server, 'it is back');
close $server;
close_kept($kept);
equals(outcome_of_one(), '502 of 1990', 'it refuses again');
$server = serve(1990);
my $asked = ask_for('ok', 'u', {cookie => "route=$mine"});
my $taken = taken_unless_answered($server, $asked);
holds($taken, 'and the next request is there');
answer($taken, 'back') if $taken;
equals(body(response($asked)), 'back', 'and answered');



=== once it has answered over a connection that is kept, no request holds off another
--- error_log: while SSL handshaking to upstream
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
equals(outcome_of_one(), '502 of 1990', 'it refuses');
my $server = serve(1990);
close_kept(is_served_and_kept($server, 'it is back'));
my @asked = map { ask_over_tls() } 1 .. 3;
my @taken = grep { $_ } map { in_handshake($server, $_) } @asked;
equals(scalar @taken, 3, 'all of several requests at once are there');
reset_each(@taken);
response($_) for @asked;



=== the request that tries it again holds off others for fail_timeout at the most
--- error_log: while SSL handshaking to upstream
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; }
--- client
equals(outcome_of_one(), '502 of 1990', 'it refuses');
my $server = serve(1990);
my (@asked, @taken);
my $next = sub {
    push @asked, ask_over_tls();
    my $taken = in_handshake($server, $asked[-1]);
    push @taken, $taken if $taken;
    return $taken;
};
eventually($next, 'it is tried again');
holds(!$next->(), 'others are refused while that one waits');
eventually($next, 'and then one of them is there');
equals(scalar @taken, 2, 'while the first waits still');
reset_each(@taken);
response($_) for @asked;

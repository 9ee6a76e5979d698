# Tunnels: CONNECT in a location with tunnel_pass, which nginx has since 1.31. The session is found in the request and set
# in the response; of neither does the server at the other end see anything.
#
# The servers, on 127.0.0.1:1991 and 1992, are played by the client, and nobody is on 1999.

use Sticky;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => <<'_EOC_' . ($block->http_config // ''));
    upstream u      { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
    upstream hiding { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky cookie=hidden hash=plain option=indirect; }
    upstream dead   { server 127.0.0.1:1999; server 127.0.0.1:1992; session_sticky cookie=dead hash=plain; }
    upstream strict { server 127.0.0.1:1999; server 127.0.0.1:1992; session_sticky cookie=strict hash=plain fallback=off; }
_EOC_
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n")
        if !defined $block->no_error_log;
});

# A client asks for a tunnel.
sub ask_for_tunnel {
    my ($cookie) = @_;
    $cookie = defined $cookie ? "Cookie: $cookie\r\n" : '';
    return say_to_nginx("CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n$cookie\r\n");
}

# What is said at either end comes out at the other, and nothing else.
sub talks {
    my ($asked, $server, $set, $what) = @_;
    my $header = read_until($asked, qr/\r\n\r\n/);
    equals(status($header), '200', "$what: there is a tunnel");
    equals(set($header), $set, "$what: what is set");
    print $asked "GET / HTTP/1.1\r\n\r\n";
    my $held = taken($server);
    equals(request_of($held), "GET / HTTP/1.1\r\n\r\n", "$what: the server sees what is in the tunnel alone");
    print $held "done\n";
    equals(read_until($asked, qr/\n/), "done\n", "$what: and the client what it says");
    close $_ for $held, $asked;
}

run_tests();

__DATA__

=== a first visit is bound, and the next tunnels go where the cookie says
--- config
location / { tunnel_pass u; }
--- client
my @servers = (serve(1991), serve(1992));
talks(ask_for_tunnel(), $servers[0], 'route=127.0.0.1:1991; Path=/', 'a first visit');
for my $number (1, 1, 0, 1) {
    talks(ask_for_tunnel('a=b; route=127.0.0.1:199' . ($number + 1)), $servers[$number], '', 'a session');
}
--- skip_nginx: 22: < 1.31.0



=== option=indirect: nothing is left to hide
--- config
location / { tunnel_pass hiding; }
--- client
my @servers = (serve(1991), serve(1992));
talks(ask_for_tunnel(), $servers[0], 'hidden=127.0.0.1:1991; Path=/', 'a first visit');
talks(ask_for_tunnel('hidden=127.0.0.1:1992'), $servers[1], '', 'a session');
--- skip_nginx: 10: < 1.31.0



=== the server is away: another one has the tunnel and the session, and with fallback=off none
--- config
set $upstream dead;
if ($http_cookie ~ strict) { set $upstream strict; }
location / { tunnel_pass $upstream; }
--- client
my $server = serve(1992);
talks(ask_for_tunnel('dead=127.0.0.1:1999'), $server, 'dead=127.0.0.1:1992; Path=/', 'fallback=on');
my $refused = read_until(ask_for_tunnel('strict=127.0.0.1:1999'), qr/<\/html>/);
equals(status($refused) . set($refused), '502', 'fallback=off: there is none');
--- no_error_log
[alert]
[crit]
--- skip_nginx: 7: < 1.31.0



=== upstreams of one cookie and other servers, reached from one server block, by a tunnel and by proxy_pass: [warn]
--- http_config
upstream other { server 127.0.0.1:1993; session_sticky hash=plain; }
--- config
location / { tunnel_pass u; }
location /proxy { proxy_pass http://other; }
--- error_log
cookie "route" of upstream "other" is also that of upstream "u"
--- no_error_log
[alert]
[crit]
--- skip_nginx: 4: < 1.31.0
